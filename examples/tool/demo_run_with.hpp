// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/row_order/global_order.hpp>

#include "demo_run.hpp"
#include "device_lists.hpp"
#include "plan_facts.hpp"
#include "timed_kernel.hpp"

namespace llep::tool {

// The demo on any engine.

/// Where the host has the blocks of a rank's own experts.
inline std::vector<std::array<float const*, 3>> native_blocks(demo_input const& input,
                                                              demo_layer const& layer, rank_id me) {
  std::size_t const block = layer.weights.size() / input.owner.size() / 3;
  std::vector<std::array<float const*, 3>> native(input.owner.size());
  for (std::size_t e = 0; e < native.size(); ++e)
    for (std::size_t b = 0; b < 3 && input.owner[e] == me; ++b)
      native[e][b] = layer.weights.data() + (3 * e + b) * block;
  return native;
}

template <class Dispatcher, class Kernel>
void describe(Dispatcher const& steps, Kernel const& kernel, demo_outcome& outcome) {
  auto const in = steps.last_problem();
  outcome.made = steps.last_plan();
  outcome.rows = planned_loads(outcome.made, in.ranks);
  outcome.spilled_rows = spilled_rows(in, outcome.made);
  std::vector<piece> pieces;
  global_order::memory memory;
  global_order{}.arrange(in, outcome.made, memory, pieces);
  outcome.travelling_rows = 0;
  for (piece const& p : pieces)
    if (p.src != p.dst) outcome.travelling_rows += p.rows;
  outcome.workspace.clear();
  for (rank_id r = 0; r < in.ranks; ++r)
    outcome.workspace.push_back(steps.last_need(r, kernel).total());
}

/// What a step of a rank came to; of a few runs the shortest time counts.
template <class Engine, class Dispatcher, class Kernel>
void note_step(rank_id me, Dispatcher const& steps, Kernel& kernel, demo_outcome& outcome) {
  double const seconds = kernel.take_seconds();
  double& best = outcome.seconds[static_cast<std::size_t>(me)];
  best = best == 0 ? seconds : std::min(best, seconds);
  if (Engine::describes(me)) describe(steps, kernel, outcome);
}

/// One rank's part of all layers, under each planner.
template <class Engine, class Group, class Queue>
void run_demo_rank(Group& group, Queue& q, demo_input const& input,
                   std::vector<any_planner> const& planners, demo_progress const& progress,
                   demo_outcomes& outcomes) {
  using kernel_type = typename Engine::template kernel<swiglu_expert<float>>;
  constexpr int rounds = 2;
  rank_id const me = group.rank();
  swiglu_expert<float> const family{input.hidden, input.inner};
  std::int64_t const first = input.first_token(me);
  std::int64_t const tokens = input.first_token(me + 1) - first;
  device_lists lists(group.device(), q);
  auto const mine = [&](auto& all, std::int64_t cols) {
    return lists.of(matrix_ref(all.data() + first * cols, tokens, cols));
  };
  auto const x = mine(input.x, input.hidden);
  std::deque<timed_kernel<kernel_type>> kernels;
  std::deque<dispatcher<any_planner, Group, timed_kernel<kernel_type>>> steps;
  for (any_planner const& p : planners) steps.emplace_back(q, group, input.owner, p);
  for (std::size_t n = 0; n < input.layers.size(); ++n) {
    if (me == 0) progress(n);
    demo_layer const& layer = input.layers[n];
    auto& kernel = kernels.emplace_back(
        kernel_type(family, lists.of(native_blocks(input, layer, me), family.block_elements())),
        group.device());
    auto const ids = mine(layer.ids, input.choices);
    auto const gates = mine(layer.gates, input.choices);
    std::vector<matrix_ref<float>> outs;
    for (auto& of : outcomes) outs.push_back(mine(of[n].out, input.hidden));
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t p = 0; p < planners.size(); ++p) {
        steps[p].forward(q, kernel, x, ids, gates, outs[p]);
        note_step<Engine>(me, steps[p], kernel, outcomes[p][n]);
      }
    }
  }
  lists.fetch();
}

/// Runs all layers under each planner with Engine::kernel<Family>; of emulated ranks one runs at a
/// time, so that they don't disturb each other's times.
template <class Engine>
demo_outcomes run_demo(demo_input const& input, std::vector<any_planner> const& planners,
                       demo_progress const& progress) {
  demo_outcome empty;
  empty.out.assign(input.x.size(), 0.0F);
  empty.seconds.assign(static_cast<std::size_t>(input.ranks), 0.0);
  demo_outcomes outcomes(planners.size(), std::vector<demo_outcome>(input.layers.size(), empty));
  Engine::run(input.ranks, {emulated::scheduling::turns, 1}, [&](auto& group, auto& q) {
    run_demo_rank<Engine>(group, q, input, planners, progress, outcomes);
  });
  for (auto& layers : outcomes) {
    for (auto& outcome : layers) {
      Engine::gather(outcome.out);
      Engine::gather(outcome.seconds);
    }
  }
  return outcomes;
}

}  // namespace llep::tool
