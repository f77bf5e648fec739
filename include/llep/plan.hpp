// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/digest.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

/// What a planner sees. Every rank holds the same values; nothing is owned.
struct problem {
  std::int32_t ranks = 0;             ///< P >= 1
  std::span<rank_id const> owner;     ///< [E], the rank that holds the expert's weights
  std::span<row_count const> load;    ///< [E], rows of the expert over all ranks; total < 2^63
  std::span<row_count const> counts;  ///< [P][E], rows that a rank routes to an expert, or empty

  [[nodiscard]] std::int32_t experts() const { return static_cast<std::int32_t>(load.size()); }
  [[nodiscard]] row_count rows_from(rank_id src, expert_id e) const {
    return counts[static_cast<std::size_t>(src) * load.size() + static_cast<std::size_t>(e)];
  }
};

/// A quota: `rank` computes end - begin rows of `expert`; under `global_order` exactly the rows
/// [begin, end) of its global row order (rank 0's rows in (token, choice) order, then rank 1's
/// ...).
struct row_span {
  expert_id expert = 0;
  rank_id rank = 0;
  row_count begin = 0;
  row_count end = 0;
  std::int32_t wave = 0;  ///< 0 until waves exist

  friend constexpr bool operator==(row_span const&, row_span const&) = default;
};

/// The weights of `expert` are lent by their owner `from` to `to`, once per (expert, to).
struct weight_move {
  expert_id expert = 0;
  rank_id from = 0;
  rank_id to = 0;
  std::int32_t wave = 0;  ///< 0 until waves exist

  friend constexpr bool operator==(weight_move const&, weight_move const&) = default;
};

/// Which rank computes how many rows of which expert, and whose weights travel for it.
///
/// Invariants (`validate` checks them): the spans of an expert stand together, in row order,
/// without gaps and without empty ones, and cover [0, load) exactly; experts without rows have
/// none; the moves are the (expert, rank) pairs of the spans that are not at the owner, each once,
/// in the order of their first spans.
class plan {
 public:
  std::vector<row_span> spans;
  std::vector<weight_move> moves;

  /// Forgets everything and gets ready for `in`; the memory stays. Call it first. O(P).
  void start(problem const& in) {
    spans.clear();
    moves.clear();
    lent_to_.assign(static_cast<std::size_t>(in.ranks), expert_id{-1});
  }

  /// Gives the next `rows` >= 1 rows of expert `e` to `rank`, joins them with the span before where
  /// that is the same (expert, rank), and adds the move. All of an expert's rows are given before
  /// the next expert's. O(1). Throws errc::plan_inconsistent where expert, rank or rows can't be.
  void give(problem const& in, expert_id e, rank_id rank, row_count rows) {
    bool const goes_on = !spans.empty() && spans.back().expert == e;
    row_count const begin = goes_on ? spans.back().end : 0;
    if (e < 0 || e >= in.experts() || rank < 0 || std::cmp_greater_equal(rank, lent_to_.size()) ||
        rows < 1 || rows > in.load[static_cast<std::size_t>(e)] - begin)
      refuse(e, rank, rows);
    if (goes_on && spans.back().rank == rank) {
      spans.back().end += rows;
      return;
    }
    spans.push_back({e, rank, begin, begin + rows});
    rank_id const owner = in.owner[static_cast<std::size_t>(e)];
    auto& last_lent = lent_to_[static_cast<std::size_t>(rank)];
    if (rank == owner || last_lent == e) return;
    last_lent = e;
    moves.push_back({e, owner, rank});
  }

 private:
  [[noreturn]] static void refuse(expert_id e, rank_id rank, row_count rows) {
    throw error(errc::plan_inconsistent, "plan: give: expert " + std::to_string(e) + ", rank " +
                                             std::to_string(rank) + ", rows " +
                                             std::to_string(rows) +
                                             ": no such expert or rank, or not so many rows left");
  }

  std::vector<expert_id> lent_to_;  // by rank: the expert lent to it last; scratch of `give`
};

/// Adds the plan to a digest: spans, then moves. O(spans + moves).
inline digest& add(digest& sum, plan const& p) {
  sum.add(static_cast<std::uint64_t>(p.spans.size()))
      .add(static_cast<std::uint64_t>(p.moves.size()));
  for (row_span const& s : p.spans)
    sum.add(s.expert).add(s.rank).add(s.begin).add(s.end).add(s.wave);
  for (weight_move const& m : p.moves) sum.add(m.expert).add(m.from).add(m.to).add(m.wave);
  return sum;
}

}  // namespace llep
