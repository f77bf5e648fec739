// SPDX-License-Identifier: Apache-2.0
#include "demo_run.hpp"

#include <algorithm>
#include <cstddef>
#include <random>
#include <string>

#include "input_error.hpp"

namespace llep::tool {
namespace {

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
  layer.load.assign(at(input.experts), 0);
  for (std::int64_t step = 0; step < trace.steps; ++step) {
    auto const first = trace.first(step, position);
    for (auto i = first; i < first + at(trace.tokens * trace.choices); ++i) {
      layer.ids.push_back(trace.ids[i]);
      ++layer.load[trace.ids[i]];
      layer.gates.push_back(static_cast<float>(trace.gates[i]) / 10000.0F);
    }
  }
  layer.weights = seeded(static_cast<std::uint64_t>(layer.id),
                         input.experts * 3 * input.hidden * input.inner, 0.2F);
  return layer;
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
  input.owner = contiguous_owners(input.experts, ranks);
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

}  // namespace llep::tool
