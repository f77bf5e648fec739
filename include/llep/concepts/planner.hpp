// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <llep/plan.hpp>

namespace llep {

struct planner_tag {};

/// Decides which rank computes how many rows of which expert.
///
/// Opt-in    A model names `using planner_concept = llep::planner_tag;`. It is a regular value.
/// Syntax    plan(in, memory, out) const   fills `out`, whatever it held before
///           memory                        reused scratch and declared history; can be made by
///                                         default, and moved
///           digest()                      of the policy's own fields (and name)
///           digest(memory)                of the history in `memory`; 0 where there is none
///           needs_counts                  constexpr; true: `in.counts` must not be empty
/// Shapes    `in` as stated at `problem`; `out` as stated at `plan` (`validate` checks it).
/// Units     rows.
/// Order     `plan` is called once a step, on every rank, with equal arguments. The result hangs on
///           the policy, `in` and the history alone, in integers: every rank gets the same plan.
/// Errors    may throw; the step then fails on every rank, and the communicator with it.
/// Cost      the planner's own; no allocation once `memory` and `out` have grown.
/// Threads   `plan` may run at the same time with different memories.
/// Not asked for: moves in an order of its own (`plan::give` keeps them), knowing its rank.
// clang-format off
template <class P>
concept planner =
    std::same_as<typename P::planner_concept, planner_tag> &&
    std::regular<P> &&
    std::default_initializable<typename P::memory> && std::movable<typename P::memory> &&
    requires(P const& policy, problem const& in, typename P::memory& memory,
             typename P::memory const& history, plan& out) {
      { policy.plan(in, memory, out) } -> std::same_as<void>;
      { policy.digest() } -> std::same_as<std::uint64_t>;
      { policy.digest(history) } -> std::same_as<std::uint64_t>;
      requires std::same_as<decltype(P::needs_counts), bool const>;
      typename std::bool_constant<P::needs_counts>;
    };
// clang-format on

}  // namespace llep
