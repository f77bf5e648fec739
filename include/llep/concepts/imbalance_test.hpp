// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include <llep/shape.hpp>

namespace llep {

struct imbalance_test_tag {};

/// Answers "are these loads uneven enough to pay for a costlier plan?"
///
/// Opt-in    A model names `using imbalance_test_concept = llep::imbalance_test_tag;`. It is a
///           regular value.
/// Syntax    uneven(rank_loads, expert_loads) const, digest()
/// Shapes    rank_loads [P >= 1]: rows per rank if every expert stayed with its owner;
///           expert_loads [E >= 1]. All >= 0, both with the same total, below 2^63.
/// Units     rows.
/// Order     pure: the answer hangs on the policy's fields and the loads alone, in integers, so
///           that ranks that see the same loads take the same branch.
/// Errors    doesn't throw for such loads: a knob that makes no sense is refused when it is made.
/// Cost      O(P + E), no allocation.
/// Threads   any number at a time.
// clang-format off
template <class T>
concept imbalance_test =
    std::same_as<typename T::imbalance_test_concept, imbalance_test_tag> &&
    std::regular<T> &&
    requires(T const& uneven, std::span<row_count const> loads) {
      { uneven(loads, loads) } -> std::same_as<bool>;
      { uneven.digest() } -> std::same_as<std::uint64_t>;
    };
// clang-format on

}  // namespace llep
