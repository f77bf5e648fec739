// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

namespace detail {

// What the ranks agree on; where it was thrown may differ.
inline std::string all_of(error const& e) {
  return std::string(e.what()) + " (code " + std::to_string(static_cast<int>(e.code())) +
         ", rank " + std::to_string(e.rank()) + ")";
}

// Throws unless `call` throws that llep::error.
template <class Call>
void expect_cause(witness const& sees, error const& cause, char const* promise, Call call) {
  std::string told = "nothing thrown";
  try {
    call();
  } catch (error const& e) {
    told = all_of(e);
  }
  sees.equals(told, all_of(cause), promise);
}

}  // namespace detail

/// Holds a communicator to what it promises of `abort`: a rank takes the group down while the
/// others wait for it. Collective; afterwards only destruction is legal. Not for one whose abort
/// ends the process.
/// @throws broken_promise
template <communicator C>
void check_abort(C& group, typename C::device_type::queue& q, std::uint64_t seed) {
  witness const sees("communicator", seed, group.rank());
  auto const ranks = static_cast<std::uint64_t>(group.size());
  auto const breaker = static_cast<rank_id>(seed % ranks);
  error const why(errc::failed, "check_abort " + std::to_string(seed), breaker);
  on_device<typename C::device_type, std::int64_t> const words(group.device(), q, {1});
  on_device<typename C::device_type, std::int64_t> const all(
      group.device(), q, std::vector<std::int64_t>(at(group.size())));
  auto const gather = [&] { group.all_gather(q, words.data(), all.data(), 1); };
  auto const receive = [&] {
    std::vector<incoming> const from{{breaker, reinterpret_cast<std::byte*>(words.data()), 8}};
    group.wait(q, group.post(q, lane::weights, {}, from, 1));
  };
  if (group.rank() == breaker) {
    sees.equals(detail::all_of(group.abort(why)), detail::all_of(why), "abort returns the cause");
  } else if (seed / ranks % 2 == 0) {
    detail::expect_cause(sees, why, "a wait that is blocked throws the cause", receive);
  } else {
    detail::expect_cause(sees, why, "an all_gather that is blocked throws the cause", gather);
  }
  auto const after = "calls after an abort throw the cause";
  detail::expect_cause(sees, why, after, gather);
  detail::expect_cause(sees, why, after,
                       [&] { group.wait(q, group.post(q, lane::rows, {}, {}, 1)); });
  detail::expect_cause(sees, why, after, [&] { group.progress(); });
  error const first = group.abort(error(errc::device, "too late", group.rank()));
  sees.equals(detail::all_of(first), detail::all_of(why), "abort returns the first cause");
}

}  // namespace llep::testing
