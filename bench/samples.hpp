// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "tool/thread_clock.hpp"

namespace llep::bench {

/// The middle one of some times; noise only ever makes a time longer, and seldom half of them.
[[nodiscard]] inline double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// CPU seconds of this thread that f() takes.
template <class F>
[[nodiscard]] double seconds_of(F f) {
  double const before = tool::thread_seconds();
  f();
  return tool::thread_seconds() - before;
}

/// What a comparison is counted in: `amount` of `unit` a call, "GB/s" for 1e9 bytes.
struct rate {
  double amount;
  std::string unit;
};

/// Measures `ours` and `other` by turns, so that both see the same machine, and reports the rates
/// of their medians and ours / other, which should not be below `target`. Each runs once before.
template <class Ours, class Other>
void compare(benchmark::State& state, rate counted, std::string const& name_of_other, double target,
             Ours ours, Other other) {
  std::vector<double> our_seconds;
  std::vector<double> other_seconds;
  other();  // memory is touched, caches are as they will be
  ours();
  for (auto step : state) {
    static_cast<void>(step);
    other_seconds.push_back(seconds_of(other));
    our_seconds.push_back(seconds_of(ours));
    state.SetIterationTime(our_seconds.back());
  }
  double const our_rate = counted.amount / median(our_seconds);
  double const other_rate = counted.amount / median(other_seconds);
  state.counters["ours_" + counted.unit] = our_rate / 1e9;
  state.counters[name_of_other + "_" + counted.unit] = other_rate / 1e9;
  state.counters["ratio"] = our_rate / other_rate;
  if (target > 0) state.counters["target"] = target;
}

}  // namespace llep::bench
