// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <llep/concepts/row_order.hpp>
#include <llep/error.hpp>

namespace llep {

/// Checks what a row order made of a plan against the shapes stated at `row_order`; keeps its
/// scratch from one to the next.
class piece_validator {
 public:
  /// Throws errc::plan_inconsistent naming what is broken. `in` with counts, `p` valid.
  /// O(P x E + spans + pieces); allocates only while it grows.
  void operator()(problem const& in, plan const& p, std::span<piece const> pieces) {
    auto const cells = static_cast<std::size_t>(in.ranks) * in.load.size();
    open_.assign(cells, 0);
    placed_.assign(cells, 0);
    for (row_span const& s : p.spans) open_[cell(in, s.rank, s.expert)] += s.end - s.begin;
    std::size_t span = 0;  // of the expert whose pieces these are
    for (piece const& a : pieces) {
      auto const is_rank = [&in](rank_id r) { return r >= 0 && r < in.ranks; };
      holds(a.expert >= 0 && a.expert < in.experts() && is_rank(a.src) && is_rank(a.dst),
            "no such expert or rank", a.expert);
      while (span < p.spans.size() && p.spans[span].expert != a.expert) ++span;
      holds(span < p.spans.size(), "its pieces don't stand in the plan's order", a.expert);
      auto& next = placed_[cell(in, a.src, a.expert)];
      row_count const left = in.rows_from(a.src, a.expert) - next;
      holds(a.begin == next && a.rows > 0 && a.rows <= left,
            "a piece is empty, out of order or out of range, or leaves a gap", a.expert);
      next += a.rows;
      open_[cell(in, a.dst, a.expert)] -= a.rows;
    }
    for (expert_id e = 0; e < in.experts(); ++e) {
      for (rank_id r = 0; r < in.ranks; ++r) {
        holds(placed_[cell(in, r, e)] == in.rows_from(r, e), "a source's rows aren't all placed",
              e);
        holds(open_[cell(in, r, e)] == 0, "a rank gets more or fewer rows than its quota", e);
      }
    }
  }

 private:
  static std::size_t cell(problem const& in, rank_id r, expert_id e) {
    return static_cast<std::size_t>(r) * in.load.size() + static_cast<std::size_t>(e);
  }
  static void holds(bool ok, char const* what, expert_id e) {
    if (!ok)
      throw error(errc::plan_inconsistent, "pieces: expert " + std::to_string(e) + ": " + what);
  }

  std::vector<row_count> open_;    // [P][E] quota that no piece fills yet
  std::vector<row_count> placed_;  // [P][E] rows of a source that have a place
};

/// Throws errc::plan_inconsistent unless `pieces` are what a row order may make of a valid `p`.
/// As piece_validator, allocates.
inline void validate(problem const& in, plan const& p, std::span<piece const> pieces) {
  piece_validator{}(in, p, pieces);
}

}  // namespace llep
