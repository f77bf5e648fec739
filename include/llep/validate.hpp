// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <llep/error.hpp>
#include <llep/plan.hpp>

namespace llep {

/// Throws errc::invalid_argument unless `in` is a problem that every planner must take: P >= 1,
/// E >= 1, one owner in [0, P) and one load >= 0 an expert, a total below 2^63, counts (if given)
/// that are >= 0 and add up to the loads. O(E), O(P x E) with counts.
inline void validate(problem const& in) {
  expects(in.ranks >= 1, "problem: needs at least one rank");
  expects(!in.load.empty(), "problem: needs at least one expert");
  expects(in.owner.size() == in.load.size(), "problem: needs one owner and one load per expert");
  row_count total = 0;
  for (std::size_t e = 0; e < in.load.size(); ++e) {
    expects(in.owner[e] >= 0 && in.owner[e] < in.ranks, "problem: an owner is not a rank");
    expects(in.load[e] >= 0, "problem: a load is negative");
    expects(in.load[e] <= (std::numeric_limits<row_count>::max)() - total,
            "problem: the total of the loads exceeds 2^63 - 1");
    total += in.load[e];
  }
  if (in.counts.empty()) return;
  expects(in.counts.size() == static_cast<std::size_t>(in.ranks) * in.load.size(),
          "problem: needs one count per rank and expert");
  for (expert_id e = 0; e < in.experts(); ++e) {
    row_count open = in.load[static_cast<std::size_t>(e)];
    for (rank_id p = 0; p < in.ranks; ++p) {
      expects(in.rows_from(p, e) >= 0 && in.rows_from(p, e) <= open,
              "problem: counts don't add up to the loads");
      open -= in.rows_from(p, e);
    }
    expects(open == 0, "problem: counts don't add up to the loads");
  }
}

/// Checks plans against the invariants stated at `plan`; keeps its scratch from one to the next.
class plan_validator {
 public:
  /// Throws errc::plan_inconsistent naming what is broken. O(E + P + spans + moves); allocates only
  /// while it grows.
  void operator()(problem const& in, plan const& p) {
    seen_.assign(in.load.size(), 0);
    lent_to_.assign(static_cast<std::size_t>(in.ranks), expert_id{-1});
    next_move_ = 0;
    std::size_t i = 0;
    while (i < p.spans.size()) i = check_expert(in, p, i);
    for (std::size_t e = 0; e < seen_.size(); ++e)
      holds(seen_[e] != 0 || in.load[e] == 0, "rows of the expert are given to nobody",
            static_cast<expert_id>(e));
    if (next_move_ != p.moves.size())
      holds(false, "a move that no span needs", p.moves[next_move_].expert);
  }

 private:
  // Walks the spans of one expert from span i on; returns where the next expert's begin.
  std::size_t check_expert(problem const& in, plan const& p, std::size_t i) {
    expert_id const e = p.spans[i].expert;
    holds(e >= 0 && e < in.experts(), "there is no such expert", e);
    auto const at = static_cast<std::size_t>(e);
    holds(seen_[at] == 0, "the expert's spans don't stand together", e);
    seen_[at] = 1;
    row_count next = 0;
    for (; i < p.spans.size() && p.spans[i].expert == e; ++i) {
      row_span const& s = p.spans[i];
      holds(s.rank >= 0 && s.rank < in.ranks, "there is no such rank", e);
      holds(s.wave == 0, "there are no waves yet", e);
      holds(s.begin == next && s.end > s.begin && s.end <= in.load[at],
            "a span is empty, out of range, or leaves a gap", e);
      next = s.end;
      if (s.rank != in.owner[at]) check_move(in, p, s);
    }
    holds(next == in.load[at], "not all rows of the expert are given", e);
    return i;
  }

  void check_move(problem const& in, plan const& p, row_span const& s) {
    auto& last = lent_to_[static_cast<std::size_t>(s.rank)];
    if (last == s.expert) return;
    last = s.expert;
    weight_move const wanted{s.expert, in.owner[static_cast<std::size_t>(s.expert)], s.rank};
    holds(next_move_ < p.moves.size() && p.moves[next_move_] == wanted,
          "a move is missing, doubled or out of order", s.expert);
    ++next_move_;
  }

  static void holds(bool ok, char const* what, expert_id e) {
    if (!ok)
      throw error(errc::plan_inconsistent, "plan: expert " + std::to_string(e) + ": " + what);
  }

  std::vector<std::uint8_t> seen_;  // by expert
  std::vector<expert_id> lent_to_;  // by rank
  std::size_t next_move_ = 0;
};

/// Throws errc::plan_inconsistent if `p` breaks an invariant. As plan_validator, allocates.
inline void validate(problem const& in, plan const& p) { plan_validator{}(in, p); }

}  // namespace llep
