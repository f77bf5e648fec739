// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/plan.hpp>

namespace llep {

/// Rows of this rank that `peer` computes: `rows` rows from row `home` of the home area on.
struct departure {
  rank_id peer = 0;
  row_count home = 0;
  row_count rows = 0;
};

/// Rows of `peer` that this rank computes: in the staging area they are packed by peer, in the
/// group area they stand with the other rows of their expert.
struct arrival {
  rank_id peer = 0;
  row_count staged = 0;
  row_count slot = 0;
  row_count rows = 0;
};

/// Who does what in a step: a pure function of the plan, its pieces and the rank, so that each rank
/// knows the sizes of all and the lists of its own.
///
/// Home area: this rank's T x K rows, packed by the rank that computes them, then by piece. Group
/// area: the rows this rank computes, one block an expert, native experts before lent ones, each by
/// rising id, rows by piece. A pair of ranks sees its pieces in the same order on both sides.
class schedule {
 public:
  /// `p` and `pieces` keep their invariants. O(P + E + spans + pieces); allocates only while it
  /// grows.
  void build(problem const& in, plan const& p, std::span<piece const> pieces, rank_id me) {
    build_groups(in, p);
    place_groups(in, me);
    count_rows(in, pieces, me);
    place_rows(pieces, me);
  }

  // For any rank. Groups: native experts first, then the `lent` ones.
  [[nodiscard]] std::span<expert_id const> experts(rank_id r) const { return groups(expert_, r); }
  [[nodiscard]] std::span<row_count const> rows_by_group(rank_id r) const {
    return groups(group_rows_, r);
  }
  [[nodiscard]] std::size_t lent(rank_id r) const { return lent_[at(r)]; }
  /// Moves that leave the rank; and the most that leave one.
  [[nodiscard]] std::int64_t lending(rank_id r) const { return lending_[at(r)]; }
  [[nodiscard]] std::int64_t most_lending() const {
    return *std::max_element(lending_.begin(), lending_.end());
  }
  [[nodiscard]] row_count rows_held(rank_id r) const { return held_[at(r)]; }
  [[nodiscard]] row_count rows_computed(rank_id r) const { return computed_[at(r)]; }
  [[nodiscard]] row_count rows_staying(rank_id r) const { return staying_[at(r)]; }

  // For the rank it was built for.
  [[nodiscard]] std::vector<std::int64_t> const& segment_offsets() const { return offsets_; }
  [[nodiscard]] std::vector<row_segment> const& segments() const { return segments_; }
  [[nodiscard]] std::vector<departure> const& departures() const { return departures_; }
  [[nodiscard]] std::vector<arrival> const& arrivals() const { return arrivals_; }
  /// From the home area to the group area: rows that stay on their rank.
  [[nodiscard]] std::vector<row_chunk> const& own_rows() const { return own_; }

 private:
  static std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

  template <class T>
  [[nodiscard]] std::span<T const> groups(std::vector<T> const& all, rank_id r) const {
    return std::span(all).subspan(begin_[at(r)], begin_[at(r) + 1] - begin_[at(r)]);
  }

  // One group per (expert, rank), stored by rank; a rank may have several spans of an expert.
  void build_groups(problem const& in, plan const& p) {
    auto const ranks = at(in.ranks);
    begin_.assign(ranks + 1, 0);
    lent_.assign(ranks, 0);
    lending_.assign(ranks, 0);
    for (weight_move const& m : p.moves) ++lending_[at(m.from)];
    computed_.assign(ranks, 0);
    last_.assign(ranks, expert_id{-1});
    first_span_.assign(in.load.size(), p.spans.size());
    for (std::size_t i = p.spans.size(); i-- > 0;) first_span_[at(p.spans[i].expert)] = i;
    for (row_span const& s : p.spans) {
      computed_[at(s.rank)] += s.end - s.begin;
      if (last_[at(s.rank)] == s.expert) continue;
      last_[at(s.rank)] = s.expert;
      ++begin_[at(s.rank) + 1];
      if (s.rank != in.owner[at(s.expert)]) ++lent_[at(s.rank)];
    }
    for (std::size_t r = 0; r < ranks; ++r) begin_[r + 1] += begin_[r];
    expert_.resize(begin_[ranks]);
    group_rows_.resize(begin_[ranks]);
    fill_groups(in, p);
  }

  void fill_groups(problem const& in, plan const& p) {
    auto const ranks = at(in.ranks);
    native_cursor_.assign(begin_.begin(), begin_.end() - 1);
    lent_cursor_.resize(ranks);
    for (std::size_t r = 0; r < ranks; ++r) lent_cursor_[r] = begin_[r + 1] - lent_[r];
    last_.assign(ranks, expert_id{-1});
    current_.resize(ranks);
    for (expert_id e = 0; e < in.experts(); ++e) {
      for (auto i = first_span_[at(e)]; i < p.spans.size() && p.spans[i].expert == e; ++i) {
        row_span const& s = p.spans[i];
        auto const r = at(s.rank);
        if (last_[r] != e) {
          last_[r] = e;
          current_[r] = s.rank == in.owner[at(e)] ? native_cursor_[r]++ : lent_cursor_[r]++;
          expert_[current_[r]] = e;
          group_rows_[current_[r]] = 0;
        }
        group_rows_[current_[r]] += s.end - s.begin;
      }
    }
  }

  // Where the next row of each expert goes in this rank's group area.
  void place_groups(problem const& in, rank_id me) {
    slot_cursor_.assign(in.load.size(), 0);
    row_count first = 0;
    for (std::size_t g = 0; g < experts(me).size(); ++g) {
      slot_cursor_[at(experts(me)[g])] = first;
      first += rows_by_group(me)[g];
    }
  }

  void count_rows(problem const& in, std::span<piece const> pieces, rank_id me) {
    auto const ranks = at(in.ranks);
    held_.assign(ranks, 0);
    staying_.assign(ranks, 0);
    home_cursor_.assign(ranks + 1, 0);
    staged_cursor_.assign(ranks + 1, 0);
    departures_from_.assign(ranks + 1, 0);
    arrivals_from_.assign(ranks + 1, 0);
    offsets_.assign(in.load.size() + 1, 0);
    std::size_t own = 0;
    for (piece const& a : pieces) {
      bool const stays = a.src == a.dst;
      held_[at(a.src)] += a.rows;
      if (stays) staying_[at(a.src)] += a.rows;
      if (a.src == me) {
        home_cursor_[at(a.dst) + 1] += a.rows;
        ++offsets_[at(a.expert) + 1];
        ++(stays ? own : departures_from_[at(a.dst) + 1]);
      } else if (a.dst == me) {
        staged_cursor_[at(a.src) + 1] += a.rows;
        ++arrivals_from_[at(a.src) + 1];
      }
    }
    for (std::size_t r = 0; r < ranks; ++r) {
      home_cursor_[r + 1] += home_cursor_[r];
      staged_cursor_[r + 1] += staged_cursor_[r];
      departures_from_[r + 1] += departures_from_[r];
      arrivals_from_[r + 1] += arrivals_from_[r];
    }
    for (std::size_t e = 0; e < in.load.size(); ++e) offsets_[e + 1] += offsets_[e];
    own_.clear();
    own_.reserve(own);
    departures_.resize(departures_from_[ranks]);
    arrivals_.resize(arrivals_from_[ranks]);
    segments_.resize(static_cast<std::size_t>(offsets_.back()));
  }

  // The counts, made offsets, now serve as cursors.
  void place_rows(std::span<piece const> pieces, rank_id me) {
    segment_cursor_.assign(offsets_.begin(), offsets_.end());
    for (piece const& a : pieces) {
      row_count home = 0;
      if (a.src == me) {
        home = take(home_cursor_[at(a.dst)], a.rows);
        segments_[static_cast<std::size_t>(segment_cursor_[at(a.expert)]++)] = {a.begin, home};
        if (a.dst != me) departures_[departures_from_[at(a.dst)]++] = {a.dst, home, a.rows};
      }
      if (a.dst != me) continue;
      row_count const slot = take(slot_cursor_[at(a.expert)], a.rows);
      if (a.src == me)
        own_.push_back({home, slot, a.rows});
      else
        arrivals_[arrivals_from_[at(a.src)]++] = {a.src, take(staged_cursor_[at(a.src)], a.rows),
                                                  slot, a.rows};
    }
  }

  static row_count take(row_count& cursor, row_count rows) {
    row_count const first = cursor;
    cursor += rows;
    return first;
  }

  std::vector<std::size_t> begin_;                    // [P + 1] where a rank's groups begin
  std::vector<expert_id> expert_;                     // by group
  std::vector<row_count> group_rows_;                 // by group
  std::vector<std::size_t> lent_;                     // [P] lent groups
  std::vector<std::int64_t> lending_;                 // [P] moves that leave
  std::vector<row_count> held_, computed_, staying_;  // [P]
  std::vector<std::int64_t> offsets_;                 // [E + 1]
  std::vector<row_segment> segments_;
  std::vector<departure> departures_;
  std::vector<arrival> arrivals_;
  std::vector<row_chunk> own_;
  // scratch
  std::vector<expert_id> last_;
  std::vector<std::size_t> first_span_, native_cursor_, lent_cursor_, current_;
  std::vector<std::size_t> departures_from_, arrivals_from_;
  std::vector<row_count> slot_cursor_, home_cursor_, staged_cursor_;
  std::vector<std::int64_t> segment_cursor_;
};

}  // namespace llep
