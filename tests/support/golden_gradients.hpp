// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/golden_layer.hpp"
#include "support/sanitizers.hpp"
#include "support/trainings.hpp"

namespace llep::testing {

// Golden layers, forward and backward, through everything that may not change their gradients.

// Every so-many-th combination is run. Under sanitizers every 19th: 20 would meet the same ways to
// train again and again.
inline constexpr int golden_stride = sanitized ? 19 : 1;

/// Those of all ways to train whose turn it is.
inline std::vector<training> some_ways(golden_turn& turn) {
  std::vector<training> ways;
  for (auto const& way : all_trainings())
    if (turn.takes()) ways.push_back(way);
  return ways;
}

template <class T>
void check_results(golden_results<T> const& got, golden_results<T> const& reference,
                   tool::layer_case const& c) {
  for (auto const& [name, error] : errors_of(got, c)) {
    CAPTURE(name);
    CHECK(error <= golden_tolerance<T>(c.array(name)));
  }
  CHECK(got.out == reference.out);  // to the bit
  CHECK(got.hidden == reference.hidden);
  CHECK(got.gates == reference.gates);
}

template <class Kernels, class Family>
void check_golden_gradients_of(tool::layer_case const& c, Family const& family,
                               std::vector<std::int32_t> const& all_ranks, golden_turn& turn) {
  using T = typename Family::element;
  golden_inputs<T> const in(c);
  auto const run = [&](std::int32_t ranks, golden_policies const& policies,
                       std::vector<training> const& ways) {
    std::vector<golden_results<T>> results(ways.size(), golden_results<T>(in));
    if (ways.empty()) return results;
    emulated::run(ranks, Kernels::make_device, [&](auto& group) {
      train_golden_rank<Kernels>(group, in, family, policies, ways, results);
    });
    return results;
  };
  auto const every = all_golden_policies();
  auto const reference = run(1, every.front(), {training{}});
  for (std::int32_t const ranks : all_ranks) {
    for (std::size_t p = 0; p < every.size(); ++p) {
      auto const ways = some_ways(turn);
      auto const results = run(ranks, every[p], ways);
      for (std::size_t i = 0; i < ways.size(); ++i) {
        CAPTURE(ranks, p, ways[i].recompute, ways[i].lend_again, ways[i].resend_outputs);
        check_results(results[i], reference[0], c);
      }
    }
  }
}

/// All cases in float and double: every gradient within tolerance, those by hidden states and gates
/// bit-identical, for all P, EP and LLEP, row orders and ways to train.
template <class Kernels>
void check_golden_gradients(golden_effort const& effort = {.stride = golden_stride}) {
  golden_turn turn(effort.stride);
  for_golden_layers([&](tool::layer_case const& c, auto const& family) {
    check_golden_gradients_of<Kernels>(c, family, effort.ranks, turn);
  });
}

}  // namespace llep::testing
