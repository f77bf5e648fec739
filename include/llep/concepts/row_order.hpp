// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <vector>

#include <llep/plan.hpp>

namespace llep {

/// Rows [begin, begin + rows) of `expert` on rank `src`, counted in src's own (token, choice)
/// order, are computed by rank `dst`.
struct piece {
  expert_id expert = 0;
  rank_id src = 0;
  rank_id dst = 0;
  row_count begin = 0;
  row_count rows = 0;

  friend constexpr bool operator==(piece const&, piece const&) = default;
};

struct row_order_tag {};

/// Turns a plan's quotas into pieces: the plan fixes how many rows of an expert a rank computes,
/// the row order which.
///
/// Opt-in    A model names `using row_order_concept = llep::row_order_tag;`. It is a regular value.
/// Syntax    arrange(in, p, memory, out) const   fills `out`, whatever it held before
///           memory                              reused scratch; as a planner's
///           digest()                            of the policy's name and fields
/// Shapes    `in` with counts; `p` valid for `in`. The pieces of an expert stand together, experts
///           in the plan's order. For every (expert, dst) their rows add up to the spans' quota;
///           for every (expert, src) they come in ascending order, start at 0, leave no gap and end
///           at counts[src][expert]. No piece is empty. (`checks_thorough` checks all of it.)
/// Units     rows.
/// Order     pure: equal arguments give equal pieces, on every rank.
/// Errors    may throw; the step then fails on every rank, and the communicator with it.
/// Cost      O(P x E + pieces); no allocation once `memory` and `out` have grown.
/// Threads   may run at the same time with different memories.
// clang-format off
template <class R>
concept row_order =
    std::same_as<typename R::row_order_concept, row_order_tag> &&
    std::regular<R> &&
    std::default_initializable<typename R::memory> && std::movable<typename R::memory> &&
    requires(R const& order, problem const& in, plan const& p, typename R::memory& memory,
             std::vector<piece>& out) {
      { order.arrange(in, p, memory, out) } -> std::same_as<void>;
      { order.digest() } -> std::same_as<std::uint64_t>;
    };
// clang-format on

}  // namespace llep
