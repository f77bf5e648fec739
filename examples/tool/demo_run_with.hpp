// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/row_order/global_order.hpp>

#include "demo_run.hpp"
#include "plan_facts.hpp"
#include "timed_kernel.hpp"

namespace llep::tool {

// The demo on any engine.

template <class Kernel>
timed_kernel<Kernel> make_demo_kernel(demo_input const& input, demo_layer const& layer,
                                      rank_id me) {
  std::size_t const block = layer.weights.size() / input.owner.size() / 3;
  std::vector<typename Kernel::weight_blocks> native(input.owner.size());
  for (std::size_t e = 0; e < native.size(); ++e)
    for (std::size_t b = 0; b < 3 && input.owner[e] == me; ++b)
      native[e][b] = layer.weights.data() + (3 * e + b) * block;
  return timed_kernel<Kernel>({{input.hidden, input.inner}, std::move(native)});
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

/// One rank's part of one layer under one planner.
template <class Engine, class Queue, class Kernel, class Dispatcher>
void run_demo_layer(Queue& q, demo_input const& input, demo_layer const& layer, rank_id me,
                    Kernel& kernel, Dispatcher& steps, demo_outcome& outcome) {
  std::int64_t const first = input.first_token(me);
  std::int64_t const tokens = input.first_token(me + 1) - first;
  steps.forward(
      q, kernel,
      matrix_ref<float const>(input.x.data() + first * input.hidden, tokens, input.hidden),
      matrix_ref<std::int32_t const>(layer.ids.data() + first * input.choices, tokens,
                                     input.choices),
      matrix_ref<float const>(layer.gates.data() + first * input.choices, tokens, input.choices),
      matrix_ref<float>(outcome.out.data() + first * input.hidden, tokens, input.hidden));
  double const seconds = kernel.take_seconds();
  double& best = outcome.seconds[static_cast<std::size_t>(me)];
  best = best == 0 ? seconds : std::min(best, seconds);
  if (Engine::describes(me)) describe(steps, kernel, outcome);
}

/// Runs all layers under each planner with Engine::kernel<Family>; of emulated ranks one runs at a
/// time, so that they don't disturb each other's times. Of a few runs the shortest time counts.
template <class Engine>
demo_outcomes run_demo(demo_input const& input, std::vector<any_planner> const& planners,
                       demo_progress const& progress) {
  using kernel_type = typename Engine::template kernel<swiglu_expert<float>>;
  constexpr int rounds = 2;
  demo_outcome empty;
  empty.out.assign(input.x.size(), 0.0F);
  empty.seconds.assign(static_cast<std::size_t>(input.ranks), 0.0);
  demo_outcomes outcomes(planners.size(), std::vector<demo_outcome>(input.layers.size(), empty));
  auto const body = [&](auto& group, auto& q) {
    using group_type = std::remove_reference_t<decltype(group)>;
    using dispatcher_type = dispatcher<any_planner, group_type, timed_kernel<kernel_type>>;
    std::deque<dispatcher_type> steps;
    for (any_planner const& p : planners) steps.emplace_back(q, group, input.owner, p);
    for (std::size_t n = 0; n < input.layers.size(); ++n) {
      if (group.rank() == 0) progress(n);
      auto kernel = make_demo_kernel<kernel_type>(input, input.layers[n], group.rank());
      for (int round = 0; round < rounds; ++round)
        for (std::size_t p = 0; p < planners.size(); ++p)
          run_demo_layer<Engine>(q, input, input.layers[n], group.rank(), kernel, steps[p],
                                 outcomes[p][n]);
    }
  };
  Engine::run(input.ranks, {emulated::scheduling::turns, 1}, body);
  for (auto& layers : outcomes) {
    for (auto& outcome : layers) {
      Engine::gather(outcome.out);
      Engine::gather(outcome.seconds);
    }
  }
  return outcomes;
}

}  // namespace llep::tool
