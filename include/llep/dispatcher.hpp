// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/agreement.hpp>
#include <llep/checks/levels.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/device/buffer.hpp>
#include <llep/execution.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/validate.hpp>
#include <llep/schedule.hpp>
#include <llep/token_batch.hpp>
#include <llep/validate.hpp>
#include <llep/workspace.hpp>

namespace llep {

/// An MoE layer over P ranks: plans every step from the exact loads, lends weights, dispatches,
/// computes and combines (the paper's Alg. 4; with the planner `standard_ep`, Alg. 1).
///
/// One object a rank, made and called by all ranks together, in the same order. It serves any
/// number of steps, layers and shapes; the kernel, which knows a layer's weights, comes with the
/// call. Borrows the communicator, which must stay where it is. One thread at a time.
template <planner P, communicator C, expert_kernel K, row_order R = global_order,
          checks Checks = checks_cheap>
  requires std::same_as<typename C::device_type, typename K::device_type>
class dispatcher {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using row_type = typename K::row_type;

  /// Collective.
  /// @param owner [E] the rank that holds an expert's weights, the same list on every rank.
  /// @throws llep::error on every rank alike: invalid_argument if a rank's owners aren't ranks or
  ///         there are none; disagreement if E, owners or policies differ between ranks.
  dispatcher(queue_type& q, C& group, std::span<rank_id const> owner, P policy = P(), R order = R())
      : dispatcher(group, owner, std::move(policy), std::move(order)) {
    finish([&] {
      announcement a = introduce(operation::construct);
      check_owners(a);
      agree_.gather(q, *group_, a);
      return verdict();
    });
  }

  /// out[t] = sum over k of gates[t][k] x expert ids[t][k] (hidden[t]), for this rank's T tokens.
  /// Collective; T may differ between ranks and be 0.
  ///
  /// @param kernel the layer; the blocks of the experts this rank owns are read.
  /// @param hidden [T][H]   @param ids [T][K], int32 or int64, in [0, E); repeats are legal
  /// @param gates [T][K], float; double where the device combines this row type with it
  /// @param out [T][H], doesn't overlap the others
  /// All device memory, in use until q has passed the call.
  /// @throws llep::error, the same on every rank. invalid_argument and disagreement (nothing was
  ///         sent), plan_inconsistent of the step before, device (a workspace couldn't grow): the
  ///         group stays usable. Anything later takes the communicator down.
  /// Cost: one host synchronisation; a second one when a workspace grows.
  template <class Id, class Gate>
  void forward(queue_type& q, K& kernel, matrix_ref<row_type const> hidden, matrix_ref<Id> ids,
               matrix_ref<Gate> gates, matrix_ref<row_type> out)
    requires indexes_rows<device_type, std::remove_const_t<Id>> &&
             combines_rows<device_type, row_type, std::remove_const_t<Gate>>
  {
    token_batch<row_type, std::remove_const_t<Id>, std::remove_const_t<Gate>> const in{hidden, ids,
                                                                                       gates, out};
    finish([&]() -> std::optional<error> {
      group_->device().wait(q, last_step_);  // the call before may have had another queue
      if (auto refused = agree(q, kernel, in)) return refused;
      decide();
      if (auto refused = make_room(q, kernel)) return refused;
      execution_.run(q, *group_, kernel, in, steps_, plan_,
                     workspace_areas(workspace_.data(), need(group_->rank(), kernel)));
      group_->device().record(last_step_, q);
      return std::nullopt;
    });
  }

  /// What the last step was planned from, its plan, and what it needed on a rank, any rank. Valid
  /// until the next call; before the first step empty, or errc::invalid_argument.
  [[nodiscard]] problem last_problem() const {
    return {group_->size(), owner_, agree_.load(), agree_.counts()};
  }
  [[nodiscard]] plan const& last_plan() const { return plan_; }
  [[nodiscard]] workspace_need last_need(rank_id r, K const& kernel) const {
    expects(has_step_ && r >= 0 && r < group_->size(), "last_need: no such rank, or no step yet");
    return need(r, kernel);
  }

 private:
  enum class operation : std::int64_t { construct = 1, forward = 2, confirm = 3 };

  // Makes what can fail on one rank alone; the public constructor goes on from there.
  dispatcher(C& group, std::span<rank_id const> owner, P policy, R order) try
      : group_(&group),
        policy_(std::move(policy)),
        order_(std::move(order)),
        owner_(owner.begin(), owner.end()),
        agree_(group.device(), group.size()),
        workspace_(group.device()),
        execution_(group.device()),
        last_step_(group.device().make_event()) {
  } catch (...) {
    throw error(group.abort(current_error(group.rank())));
  }

  // Runs a call's body. What it returns was agreed on, so it is thrown on every rank; what it
  // throws happened on this rank alone, so it takes the group down and all ranks throw the same.
  template <class Body>
  void finish(Body body) {
    std::optional<error> agreed;
    try {
      agreed = body();
    } catch (...) {
      agreed = group_->abort(current_error(group_->rank()));
    }
    if (agreed) throw error(*agreed);
  }

  // agree

  [[nodiscard]] std::optional<error> verdict() {
    auto refused = announcement::verdict(agree_.all());
    // a plan that differed is told once
    if (refused && refused->code() == errc::plan_inconsistent) plan_digest_ = 0;
    return refused;
  }

  // What user code throws before anything is sent is a fault to agree on.
  template <class Body>
  static void guard(announcement& a, Body body) {
    try {
      body();
    } catch (...) {
      error const why = current_error(no_rank);
      a.set_fault(why.code(), why.what());
    }
  }

  announcement introduce(operation call) {
    announcement a;
    a.operation = static_cast<std::int64_t>(call);
    a.step = call == operation::confirm ? calls_ : calls_++;
    a.experts = std::ssize(owner_);
    guard(a, [&] {
      a.planner = policy_.digest();
      a.row_order = order_.digest();
      a.memory = policy_.digest(memory_);
    });
    a.checks = digest()
                   .add(Checks::validates_plan)
                   .add(Checks::compares_plans)
                   .add(Checks::validates_pieces)
                   .add(Checks::gathers_digest)
                   .value();
    digest owners;
    for (rank_id const r : owner_) owners.add(r);
    a.owners = owners.value();
    a.plan = plan_digest_;
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

  template <class Batch>
  [[nodiscard]] std::optional<error> agree(queue_type& q, K const& kernel, Batch const& in) {
    announcement a = introduce(operation::forward);
    a.hidden = kernel.hidden();
    a.choices = in.ids.cols;
    check_shapes(a, in, kernel.hidden());
    guard(a, [&] {
      a.kernel = kernel.digest();
      check_weights(a, kernel);
    });
    agree_.gather(q, *group_, a, in.ids, static_cast<std::int32_t>(owner_.size()));
    return verdict();
  }

  void check_weights(announcement& a, K const& kernel) const {
    for (std::size_t b = 0; b < K::blocks; ++b)
      if (kernel.block_bytes(b) < 1 || kernel.block_bytes(b) > most_bytes)
        a.set_fault(errc::invalid_argument,
                    "kernel: block_bytes(" + std::to_string(b) + ") must be from 1 to 2^56");
    for (std::size_t e = 0; e < owner_.size(); ++e) {
      if (owner_[e] != group_->rank()) continue;
      for (void const* const block : kernel.native(static_cast<expert_id>(e)))
        if (block == nullptr)
          a.set_fault(errc::invalid_argument, "kernel: owned expert " + std::to_string(e) +
                                                  " has a block of weights that is null");
    }
  }

  // plan

  void decide() {
    problem const in = last_problem();
    policy_.plan(in, memory_, plan_);
    if constexpr (Checks::validates_plan) check_plan_(in, plan_);
    order_.arrange(in, plan_, order_memory_, pieces_);
    if constexpr (Checks::validates_pieces) check_pieces_(in, plan_, pieces_);
    if constexpr (Checks::compares_plans || Checks::gathers_digest) {
      digest sum;
      add(sum, plan_);
      for (piece const& a : pieces_)
        sum.add(a.expert).add(a.src).add(a.dst).add(a.begin).add(a.rows);
      plan_digest_ = sum.value();
    }
    steps_.build(in, plan_, pieces_, group_->rank());
    has_step_ = true;
  }

  // Everybody knows everybody's need and capacity, so all know whether somebody has to grow. Then
  // all tell whether they could, before anything is posted.
  [[nodiscard]] std::optional<error> make_room(queue_type& q, K const& kernel) {
    bool confirm = Checks::gathers_digest;
    for (rank_id r = 0; r < group_->size(); ++r)
      confirm |= need(r, kernel).total() > agree_.all()[static_cast<std::size_t>(r)].capacity;
    if (!confirm) return std::nullopt;
    byte_count const bytes = need(group_->rank(), kernel).total();
    announcement a = introduce(operation::confirm);
    try {
      workspace_.reserve(bytes);
    } catch (...) {
      a.set_fault(errc::device, "a workspace of " + std::to_string(bytes) +
                                    " bytes: " + current_error(no_rank).what());
    }
    agree_.gather(q, *group_, a);
    return verdict();
  }

  [[nodiscard]] workspace_need need(rank_id r, K const& kernel) const {
    return need_of(steps_, r, kernel, !C::places_segments);
  }

  C* group_;
  [[no_unique_address]] P policy_;
  [[no_unique_address]] R order_;
  std::vector<rank_id> owner_;
  typename P::memory memory_{};
  typename R::memory order_memory_{};
  plan_validator check_plan_;
  piece_validator check_pieces_;
  plan plan_;
  std::vector<piece> pieces_;
  schedule steps_;
  agreement<device_type> agree_;
  device_buffer<device_type> workspace_;
  execution<C, K> execution_;
  typename device_type::event last_step_;
  bool has_step_ = false;
  std::int64_t calls_ = 0;
  std::uint64_t plan_digest_ = 0;  // of the last step, unless checks are off
};

/// A dispatcher over `group` with everything but the kernel's type deduced; arguments and errors as
/// its constructor's. Plans with the paper's settings where nothing is named: lambda 1.3, alpha 1,
/// m 1024.
template <expert_kernel K, row_order R = global_order, checks Checks = checks_cheap, communicator C,
          planner P = fallback<least_loaded>>
[[nodiscard]] dispatcher<P, C, K, R, Checks> make_dispatcher(typename C::device_type::queue& q,
                                                             C& group,
                                                             std::span<rank_id const> owner,
                                                             P policy = P(), R order = R()) {
  return dispatcher<P, C, K, R, Checks>(q, group, owner, std::move(policy), std::move(order));
}

}  // namespace llep
