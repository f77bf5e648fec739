// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>

#include "load_shapes.hpp"
#include "samples.hpp"

// Planning time a step: 65536 rows a rank, m = 1024, alpha = 1, experts in contiguous blocks. Each
// call gets another of 64 problems, so that branches can't be learnt.

namespace llep::bench {
namespace {

struct size_and_target {
  std::int32_t experts;
  std::int32_t ranks;
  double target_us;
};

constexpr size_and_target sizes[] = {{128, 8, 2},  {256, 8, 4},    {384, 8, 6},
                                     {256, 64, 5}, {1024, 64, 16}, {1024, 1024, 100}};

template <planner Planner>
void plan_time(benchmark::State& state, Planner const& policy, size_and_target of,
               load_shape shape) {
  constexpr std::uint64_t problems = 64;
  std::vector<std::vector<row_count>> load;
  for (std::uint64_t seed = 0; seed < problems; ++seed)
    load.push_back(loads(shape, of.experts, row_count{65536} * of.ranks, seed));
  auto const owner = contiguous_owners(of.experts, of.ranks);
  typename Planner::memory memory;
  plan made;
  std::vector<double> seconds;
  double moves = 0;
  policy.plan({of.ranks, owner, load.back(), {}}, memory, made);  // memory has grown
  for (auto step : state) {
    static_cast<void>(step);
    problem const in{of.ranks, owner, load[seconds.size() % problems], {}};
    auto const before = std::chrono::steady_clock::now();  // a tenth of thread time's own cost
    policy.plan(in, memory, made);
    std::chrono::duration<double> const taken = std::chrono::steady_clock::now() - before;
    seconds.push_back(taken.count());
    state.SetIterationTime(taken.count());
    moves += static_cast<double>(made.moves.size());
  }
  state.counters["moves"] = moves / static_cast<double>(seconds.size());
  state.counters["median_us"] = 1e6 * median(seconds);
  state.counters["target_us"] = of.target_us;
}

template <planner Planner>
void add(std::string const& name, Planner const& policy, size_and_target of, std::size_t shape) {
  auto const full = "planner/" + name + "/E:" + std::to_string(of.experts) +
                    "/P:" + std::to_string(of.ranks) +
                    "/loads:" + std::string(load_shape_names[shape]);
  benchmark::RegisterBenchmark(full.c_str(),
                               [=](benchmark::State& state) {
                                 plan_time(state, policy, of, static_cast<load_shape>(shape));
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

[[maybe_unused]] bool const added = [] {
  for (auto const& of : sizes) {
    for (std::size_t shape = 0; shape < load_shape_names.size(); ++shape)
      add("least_loaded", least_loaded{}, of, shape);
    add("fallback", fallback<least_loaded>{}, of, static_cast<std::size_t>(load_shape::balanced));
  }
  return true;
}();

}  // namespace
}  // namespace llep::bench
