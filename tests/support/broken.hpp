// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include <llep/backends/emulated/run.hpp>
#include <llep/testing/promise.hpp>

namespace llep::testing {

/// What `check(seed)` says of the first broken promise that it finds, or "nothing".
template <class Check>
std::string broken_promise_of(Check check, std::uint64_t seeds = 30) {
  try {
    for (std::uint64_t seed = 0; seed < seeds; ++seed) check(seed);
  } catch (broken_promise const& e) {
    return e.what();
  }
  return "nothing";
}

/// Likewise of collective checks `check(group, seed)`: what one of P emulated ranks says. They take
/// turns, so that a communicator that breaks a promise is no data race. Each seed has a new group.
template <class Check>
std::string broken_promise_among(std::int32_t ranks, Check check, std::uint64_t seeds = 30) {
  return broken_promise_of(
      [&](std::uint64_t seed) {
        auto const ends = emulated::try_run(ranks, [&](auto& group) { check(group, seed); },
                                            {emulated::scheduling::turns, seed});
        for (auto const& end : ends.by_rank) {
          try {
            if (end) std::rethrow_exception(end);
          } catch (error const&) {  // was told by the rank that ended
          }
        }
      },
      seeds);
}

}  // namespace llep::testing
