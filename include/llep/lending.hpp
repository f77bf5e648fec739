// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <llep/block_layout.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/training.hpp>
#include <llep/schedule.hpp>

namespace llep {

/// Sends experts' weights along a plan's moves, and the gradients of lent weights home along the
/// same moves. Lent experts lie in the order of the rank's lent groups.
template <communicator C, expert_kernel K>
class weight_lending {
 public:
  using queue_type = typename C::device_type::queue;
  using ticket = typename C::ticket;

  /// Posts the moves. Messages of a pair of ranks go in the order of the plan's moves on both
  /// sides.
  [[nodiscard]] ticket lend(queue_type& q, C& group, K const& kernel, schedule const& steps,
                            plan const& p, std::byte* lent) {
    auto const layout = detail::weight_layout(kernel);
    sends_.clear();
    receives_.clear();
    for (weight_move const& m : p.moves) {
      if (m.from == group.rank())
        send(m.to, kernel.native(m.expert), layout);
      else if (m.to == group.rank())
        receive(m.from, lent + lent_position(steps, m) * layout.total(), layout);
    }
    return group.post(q, lane::weights, sends_, receives_, layout.unit());
  }

  /// Takes the gradients in `gradients` home and adds them to the owners' own, in which those of
  /// the native rows are already: for each owner by helper rank, then expert. In rounds, in each of
  /// which an owner takes one expert's; two are on their way at a time. `incoming` holds two.
  void return_gradients(queue_type& q, C& group, K& kernel, schedule const& steps, plan const& p,
                        std::byte const* gradients, std::byte* incoming)
    requires trainable_kernel<K>
  {
    auto const layout = detail::gradient_layout(kernel);
    order_moves(p);
    std::int64_t const rounds = steps.most_lending();
    auto const start = [&](std::int64_t round) {
      return post_round(q, group, steps, round, gradients, incoming, layout);
    };
    std::optional<ticket> next;
    if (rounds > 0) next.emplace(start(0));
    for (std::int64_t round = 0; round < rounds; ++round) {
      ticket here = std::move(*next);
      next.reset();
      if (round + 1 < rounds) next.emplace(start(round + 1));
      group.wait(q, std::move(here));
      if (round < steps.lending(group.rank()))
        add(q, group, kernel, move_of(group.rank(), round).expert, place(incoming, round, layout),
            layout);
    }
  }

 private:
  using blocks_layout = detail::block_layout<K::blocks>;

  template <class Pointer>
  void send(rank_id to, std::array<Pointer, K::blocks> const& blocks, blocks_layout const& layout) {
    for (std::size_t b = 0; b < K::blocks; ++b)
      sends_.push_back(
          {to, static_cast<std::byte const*>(blocks[b]), layout.bytes[b] / layout.unit()});
  }

  void receive(rank_id from, std::byte* at, blocks_layout const& layout) {
    auto const blocks = layout.template at<std::byte*>(at);
    for (std::size_t b = 0; b < K::blocks; ++b)
      receives_.push_back({from, blocks[b], layout.bytes[b] / layout.unit()});
  }

  static std::ptrdiff_t lent_position(schedule const& steps, weight_move const& m) {
    auto const experts = steps.experts(m.to).last(steps.lent(m.to));
    return std::lower_bound(experts.begin(), experts.end(), m.expert) - experts.begin();
  }

  // By owner; an owner's in the order in which their gradients are added.
  void order_moves(plan const& p) {
    auto const key = [](weight_move const& m) { return std::tuple(m.from, m.to, m.expert); };
    moves_.assign(p.moves.begin(), p.moves.end());
    std::sort(moves_.begin(), moves_.end(),
              [&](weight_move const& a, weight_move const& b) { return key(a) < key(b); });
  }

  // The owner's move of that round.
  [[nodiscard]] weight_move const& move_of(rank_id owner, std::int64_t round) const {
    auto const first = std::partition_point(moves_.begin(), moves_.end(),
                                            [=](auto const& m) { return m.from < owner; });
    return first[round];
  }

  [[nodiscard]] ticket post_round(queue_type& q, C& group, schedule const& steps,
                                  std::int64_t round, std::byte const* gradients,
                                  std::byte* incoming, blocks_layout const& layout) {
    rank_id const me = group.rank();
    sends_.clear();
    receives_.clear();
    for (rank_id owner = 0; owner < group.size(); ++owner) {
      if (round >= steps.lending(owner)) continue;
      weight_move const& m = move_of(owner, round);
      if (m.to == me)
        send(owner,
             layout.template at<void const*>(gradients + lent_position(steps, m) * layout.total()),
             layout);
      else if (owner == me)
        receive(m.to, place(incoming, round, layout), layout);
    }
    return group.post(q, lane::weights, sends_, receives_, layout.unit());
  }

  // Where a round's gradients come in; ranks that own nothing lent have no such place.
  static std::byte* place(std::byte* incoming, std::int64_t round, blocks_layout const& layout) {
    return incoming + round % 2 * layout.total();
  }

  static void add(queue_type& q, C& group, K& kernel, expert_id e, std::byte const* from,
                  blocks_layout const& layout)
    requires trainable_kernel<K>
  {
    using grad = typename K::grad_type;
    auto const blocks = layout.template at<void const*>(from);
    auto const own = kernel.native_grad(e);
    for (std::size_t b = 0; b < K::blocks; ++b)
      group.device().accumulate(q, static_cast<grad const*>(blocks[b]), kernel.grad_elements(b),
                                static_cast<grad*>(own[b]));
  }

  std::vector<outgoing> sends_;
  std::vector<incoming> receives_;
  std::vector<weight_move> moves_;
};

}  // namespace llep
