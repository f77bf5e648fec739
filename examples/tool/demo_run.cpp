// SPDX-License-Identifier: Apache-2.0
#include "demo_run.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <type_traits>

#include <llep/backends/emulated/run.hpp>
#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/kernel/loops.hpp>

#include "timed_kernel.hpp"

namespace llep::tool {
namespace {

using kernel_type = timed_kernel<loops_kernel<swiglu_expert<float>>>;
using weight_blocks = loops_kernel<swiglu_expert<float>>::weight_blocks;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// Numbers from -scale to scale, the same on every machine.
std::vector<float> seeded(std::uint64_t seed, std::int64_t count, float scale) {
  std::mt19937_64 random(seed);
  std::vector<float> numbers(at(count));
  for (float& n : numbers)
    n = scale * (static_cast<float>(random() >> 40U) / 8388608.0F - 1.0F);  // 24 bits
  return numbers;
}

demo_layer make_layer(routing_trace const& trace, std::int64_t position, demo_input const& input) {
  demo_layer layer;
  layer.id = trace.layer_ids[at(position)];
  for (std::int64_t step = 0; step < trace.steps; ++step) {
    auto const first = trace.first(step, position);
    for (auto i = first; i < first + at(trace.tokens * trace.choices); ++i) {
      layer.ids.push_back(trace.ids[i]);
      layer.gates.push_back(static_cast<float>(trace.gates[i]) / 10000.0F);
    }
  }
  layer.weights = seeded(static_cast<std::uint64_t>(layer.id),
                         input.experts * 3 * input.hidden * input.inner, 0.2F);
  return layer;
}

// ---- a rank ----------------------------------------------------------------------------------

kernel_type make_kernel(demo_input const& input, demo_layer const& layer,
                        std::vector<rank_id> const& owner, rank_id me) {
  std::int64_t const block = input.hidden * input.inner;
  std::vector<weight_blocks> native(owner.size());
  for (std::size_t e = 0; e < owner.size(); ++e)
    for (std::size_t b = 0; b < 3 && owner[e] == me; ++b)
      native[e][b] = layer.weights.data() + static_cast<std::int64_t>(3 * e + b) * block;
  return kernel_type({{input.hidden, input.inner}, std::move(native)});
}

template <class Dispatcher>
void describe(Dispatcher const& steps, kernel_type const& kernel, demo_outcome& outcome) {
  auto const in = steps.last_problem();
  auto const& made = steps.last_plan();
  outcome.moves = std::ssize(made.moves);
  outcome.rows.assign(at(in.ranks), 0);
  outcome.spilled_rows = outcome.travelling_rows = 0;
  for (row_span const& s : made.spans) {
    outcome.rows[at(s.rank)] += s.end - s.begin;
    if (s.rank != in.owner[at(s.expert)]) outcome.spilled_rows += s.end - s.begin;
  }
  std::vector<piece> pieces;
  global_order::memory memory;
  global_order{}.arrange(in, made, memory, pieces);
  for (piece const& p : pieces)
    if (p.src != p.dst) outcome.travelling_rows += p.rows;
  outcome.workspace.clear();
  for (rank_id r = 0; r < in.ranks; ++r)
    outcome.workspace.push_back(steps.last_need(r, kernel).total());
}

// One rank's part of one layer under one planner.
template <class Dispatcher>
void run_layer(demo_input const& input, demo_layer const& layer, rank_id me, kernel_type& kernel,
               Dispatcher& steps, demo_outcome& outcome) {
  host_device::queue q;
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
  double& best = outcome.seconds[at(me)];
  best = best == 0 ? seconds : std::min(best, seconds);
  if (me == 0) describe(steps, kernel, outcome);
}

}  // namespace

std::int64_t demo_input::first_token(rank_id r) const {
  return tokens / ranks * r + std::min<std::int64_t>(r, tokens % ranks);
}

demo_input make_demo_input(routing_trace const& trace, std::vector<std::int64_t> const& layer_ids,
                           std::int32_t ranks) {
  demo_input input;
  input.ranks = ranks;
  input.experts = static_cast<std::int32_t>(trace.experts);
  input.choices = trace.choices;
  input.tokens = trace.steps * trace.tokens;
  input.x = seeded(0, input.tokens * input.hidden, 1.0F);
  for (std::int64_t const id : layer_ids) {
    auto const found = std::find(trace.layer_ids.begin(), trace.layer_ids.end(), id);
    if (found == trace.layer_ids.end())
      throw input_error(trace.name + ": layer_ids: has no layer " + std::to_string(id));
    input.layers.push_back(make_layer(trace, found - trace.layer_ids.begin(), input));
  }
  return input;
}

std::vector<std::vector<demo_outcome>> run_demo(demo_input const& input,
                                                std::vector<any_planner> const& planners,
                                                std::function<void(std::size_t)> const& progress) {
  constexpr int rounds = 2;
  auto const owner = contiguous_owners(input.experts, input.ranks);
  demo_outcome empty;
  empty.out.assign(input.x.size(), 0.0F);
  empty.seconds.assign(at(input.ranks), 0.0);
  std::vector<std::vector<demo_outcome>> outcomes(
      planners.size(), std::vector<demo_outcome>(input.layers.size(), empty));
  auto const body = [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    using dispatcher_type = dispatcher<any_planner, group_type, kernel_type>;
    host_device::queue q;
    std::deque<dispatcher_type> steps;
    for (any_planner const& p : planners) steps.emplace_back(q, group, owner, p);
    for (std::size_t n = 0; n < input.layers.size(); ++n) {
      if (group.rank() == 0) progress(n);
      auto kernel = make_kernel(input, input.layers[n], owner, group.rank());
      for (int round = 0; round < rounds; ++round)
        for (std::size_t p = 0; p < planners.size(); ++p)
          run_layer(input, input.layers[n], group.rank(), kernel, steps[p], outcomes[p][n]);
    }
  };
  emulated::run(input.ranks, body, {emulated::scheduling::turns, 1});
  return outcomes;
}

}  // namespace llep::tool
