// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <llep/agreement.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/training.hpp>
#include <llep/device/buffer.hpp>
#include <llep/planning.hpp>
#include <llep/record.hpp>
#include <llep/token_batch.hpp>
#include <llep/workspace.hpp>

namespace llep {

namespace detail {

// A step's need on any rank, in the terms of make_room.
struct room_need {
  byte_count workspace = 0;
  byte_count kept = 0;
};

// What user code throws before anything is sent is a fault to agree on.
template <class Body>
void guard(announcement& a, Body body) {
  try {
    body();
  } catch (...) {
    error const why = current_error(no_rank);
    a.set_fault(why.code(), why.what());
  }
}

// Sets a fault unless blocks_of(e) names a place for every block of every expert of this rank.
template <class Blocks>
void check_blocks(announcement& a, std::span<rank_id const> owner, rank_id me, char const* what,
                  Blocks blocks_of) {
  for (std::size_t e = 0; e < owner.size(); ++e) {
    if (owner[e] != me) continue;
    for (void const* const block : blocks_of(static_cast<expert_id>(e)))
      if (block == nullptr)
        a.set_fault(errc::invalid_argument, "kernel: owned expert " + std::to_string(e) +
                                                " has a " + what + " that is null");
  }
}

template <class K>
void check_weights(announcement& a, K const& kernel, std::span<rank_id const> owner, rank_id me) {
  for (std::size_t b = 0; b < K::blocks; ++b)
    if (kernel.block_bytes(b) < 1 || kernel.block_bytes(b) > most_bytes)
      a.set_fault(errc::invalid_argument,
                  "kernel: block_bytes(" + std::to_string(b) + ") must be from 1 to 2^56");
  check_blocks(a, owner, me, "block of weights", [&](expert_id e) { return kernel.native(e); });
}

// What a record keeps, and how large a row's and an expert's part of it is.
template <trainable_kernel K>
[[nodiscard]] std::uint64_t training_digest(training const& how, K const& kernel) {
  digest sum;
  sum.add(digest_of(how))
      .add(kernel.saved_row_bytes())
      .add(static_cast<std::uint64_t>(sizeof(typename K::grad_type)));
  for (std::size_t b = 0; b < K::blocks; ++b) sum.add(kernel.grad_elements(b));
  return sum.value();
}

template <trainable_kernel K>
void check_gradient_sizes(announcement& a, K const& kernel) {
  constexpr auto each = static_cast<byte_count>(sizeof(typename K::grad_type));
  for (std::size_t b = 0; b < K::blocks; ++b)
    if (std::int64_t const n = kernel.grad_elements(b); n < 1 || n > most_bytes / each)
      a.set_fault(errc::invalid_argument, "kernel: grad_elements(" + std::to_string(b) +
                                              ") must be from 1 to 2^56 bytes' worth");
}

}  // namespace detail

/// What the ranks decide together before a step sends anything: whether all can go on, the plan,
/// and whether there is room for it. What comes back is the same on every rank.
template <communicator C, class Planning>
class step_control {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using kept_type = detail::kept_step<device_type>;

  step_control(C& group, std::span<rank_id const> owner, Planning planning)
      : group_(&group),
        owner_(owner.begin(), owner.end()),
        planning_(std::move(planning)),
        agree_(group.device(), group.size()),
        workspace_(group.device()) {}

  [[nodiscard]] C& group() const { return *group_; }
  [[nodiscard]] Planning const& planned() const { return planning_; }
  [[nodiscard]] std::byte* workspace() const { return workspace_.data(); }
  [[nodiscard]] problem last_problem() const {
    return {group_->size(), owner_, agree_.load(), agree_.counts()};
  }
  /// The number of the last call.
  [[nodiscard]] std::int64_t call() const { return calls_ - 1; }

  /// Agrees on owners and policies.
  [[nodiscard]] std::optional<error> agree(queue_type& q) {
    announcement a = introduce(detail::operation::construct);
    check_owners(a);
    agree_.gather(q, *group_, a, 0);  // E isn't agreed on yet
    return verdict();
  }

  /// Agrees on a forward step, gathers its counts and plans it. `kept`: what a record keeps of it,
  /// or null.
  template <class K, class Batch>
  [[nodiscard]] std::optional<error> agree(queue_type& q, K const& kernel, Batch const& in,
                                           kept_type const* kept) {
    announcement a =
        introduce(kept == nullptr ? detail::operation::forward : detail::operation::train);
    a.hidden = kernel.hidden();
    a.choices = in.ids.cols;
    if (kept != nullptr) a.kept_capacity = kept->memory.bytes();
    check_shapes(a, in, kernel.hidden());
    detail::guard(a, [&] {
      a.kernel = kernel.digest();
      detail::check_weights(a, kernel, owner_, group_->rank());
      if (a.fault == 0) detail::check_reach(group_->device(), in);
      if constexpr (trainable_kernel<K>) {
        if (kept == nullptr) return;
        a.training = detail::training_digest(kept->how, kernel);
        detail::check_gradient_sizes(a, kernel);
      }
    });
    agree_.gather(q, *group_, a, in.ids, experts());
    if (auto refused = verdict()) return refused;
    agree_.take_counts(experts());  // a refused step leaves the problem to the last plan
    planning_.decide(last_problem(), group_->rank());
    return std::nullopt;
  }

  /// Agrees on the backward step of the record that holds `kept`, null for an empty one; records of
  /// this dispatcher have the pool `own`.
  template <class K, class Batch>
  [[nodiscard]] std::optional<error> agree_back(queue_type& q, K const& kernel, Batch const& in,
                                                kept_type const* kept, void const* own) {
    announcement a = introduce(detail::operation::backward);
    a.hidden = kernel.hidden();
    if (kept == nullptr) {
      a.set_fault(errc::invalid_argument, "record: is empty: used before, or never filled");
    } else if (kept->pool != own) {
      a.set_fault(errc::invalid_argument, "record: is of another dispatcher");
    } else {
      a.record = kept->number;
      a.choices = kept->choices;
      a.plan =
          digest().add(a.plan).add(kept->plan_digest).value();  // the last one, and the record's
      detail::guard(a, [&] {
        a.kernel = kernel.digest();
        if (a.kernel != kept->kernel)
          a.set_fault(errc::invalid_argument, "kernel: isn't like the one of the record");
        a.training = detail::training_digest(kept->how, kernel);
        check_shapes(a, in, kept->tokens, kept->choices, kernel.hidden());
        if (a.fault == 0) detail::check_reach(group_->device(), in);
        detail::check_weights(a, kernel, owner_, group_->rank());
        detail::check_gradient_sizes(a, kernel);
        detail::check_blocks(a, owner_, group_->rank(), "gradient",
                             [&](expert_id e) { return kernel.native_grad(e); });
      });
    }
    agree_.gather(q, *group_, a, experts());
    return verdict();
  }

  /// Makes the workspace, and the memory of `kept`, as large as need(r) says. Everybody knows
  /// everybody's need and capacity, so all know whether somebody has to grow. Then all tell whether
  /// they could, before anything is posted.
  template <class Need>
  [[nodiscard]] std::optional<error> make_room(queue_type& q, Need need, kept_type* kept) {
    bool confirm = Planning::always_confirms;
    for (rank_id r = 0; r < group_->size(); ++r) {
      auto const& there = agree_.all()[static_cast<std::size_t>(r)];
      detail::room_need const n = need(r);
      confirm |= n.workspace > there.capacity || n.kept > there.kept_capacity;
    }
    if (!confirm) return std::nullopt;
    detail::room_need const mine = need(group_->rank());
    announcement a = introduce(detail::operation::confirm);
    try {
      workspace_.reserve(mine.workspace);
      if (kept != nullptr) kept->memory.reserve(mine.kept);
    } catch (...) {
      a.set_fault(errc::device, "a workspace of " + std::to_string(mine.workspace + mine.kept) +
                                    " bytes: " + current_error(no_rank).what());
    }
    agree_.gather(q, *group_, a, experts());
    return verdict();
  }

 private:
  [[nodiscard]] std::int32_t experts() const { return static_cast<std::int32_t>(owner_.size()); }

  [[nodiscard]] std::optional<error> verdict() {
    auto refused = announcement::verdict(agree_.all());
    if (refused && refused->code() == errc::plan_inconsistent) planning_.forgive();
    return refused;
  }

  announcement introduce(detail::operation call) {
    announcement a;
    a.operation = static_cast<std::int64_t>(call);
    a.step = call == detail::operation::confirm ? calls_ : calls_++;
    a.experts = std::ssize(owner_);
    detail::guard(a, [&] { planning_.introduce(a); });
    digest owners;
    for (rank_id const r : owner_) owners.add(r);
    a.owners = owners.value();
    a.capacity = workspace_.bytes();
    return a;
  }

  void check_owners(announcement& a) const {
    if (owner_.empty()) a.set_fault(errc::invalid_argument, "owner: needs at least one expert");
    for (std::size_t e = 0; e < owner_.size(); ++e)
      if (owner_[e] < 0 || owner_[e] >= group_->size())
        a.set_fault(errc::invalid_argument, "owner: expert " + std::to_string(e) +
                                                " belongs to rank " + std::to_string(owner_[e]) +
                                                " of " + std::to_string(group_->size()));
  }

  C* group_;
  std::vector<rank_id> owner_;
  Planning planning_;
  agreement<device_type> agree_;
  device_buffer<device_type> workspace_;
  std::int64_t calls_ = 0;
};

}  // namespace llep
