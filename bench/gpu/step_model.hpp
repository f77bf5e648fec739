// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <llep/concepts/row_order.hpp>
#include <llep/plan.hpp>
#include <llep/shape.hpp>

namespace llep::bench {

// From what one rank after the other was measured to take, and from what a plan makes ranks send,
// to the time of a step that all ranks make together. Times are in microseconds.

/// Bytes that every rank sends to every other.
class send_matrix {
 public:
  explicit send_matrix(std::int32_t ranks)
      : ranks_(static_cast<std::size_t>(ranks)), bytes_(ranks_ * ranks_, 0) {}

  /// What a rank sends to itself stays where it is.
  void add(rank_id from, rank_id to, byte_count bytes) {
    if (from != to) bytes_[cell(from, to)] += bytes;
  }

  [[nodiscard]] byte_count out(rank_id r) const {
    byte_count sum = 0;
    for (std::size_t to = 0; to < ranks_; ++to) sum += bytes_[cell(r, static_cast<rank_id>(to))];
    return sum;
  }
  [[nodiscard]] byte_count in(rank_id r) const {
    byte_count sum = 0;
    for (std::size_t from = 0; from < ranks_; ++from)
      sum += bytes_[cell(static_cast<rank_id>(from), r)];
    return sum;
  }
  /// The most that one rank sends or receives: links work both ways at once.
  [[nodiscard]] byte_count busiest() const {
    byte_count most = 0;
    for (rank_id r = 0; r < static_cast<rank_id>(ranks_); ++r)
      most = (std::max)({most, out(r), in(r)});
    return most;
  }
  [[nodiscard]] byte_count total() const {
    byte_count sum = 0;
    for (byte_count const b : bytes_) sum += b;
    return sum;
  }

 private:
  [[nodiscard]] std::size_t cell(rank_id from, rank_id to) const {
    return static_cast<std::size_t>(from) * ranks_ + static_cast<std::size_t>(to);
  }

  std::size_t ranks_;
  std::vector<byte_count> bytes_;  // [from][to]
};

/// Of rows on their way out; on their way back it is turned around, and as busy.
[[nodiscard]] inline send_matrix rows_sent(std::int32_t ranks, std::span<piece const> pieces,
                                           byte_count row_bytes) {
  send_matrix sent(ranks);
  for (piece const& a : pieces) sent.add(a.src, a.dst, a.rows * row_bytes);
  return sent;
}

[[nodiscard]] inline send_matrix weights_sent(std::int32_t ranks, plan const& p,
                                              byte_count expert_bytes) {
  send_matrix sent(ranks);
  for (weight_move const& m : p.moves) sent.add(m.from, m.to, expert_bytes);
  return sent;
}

/// What connects the ranks: each to all, so fast in each direction.
struct network {
  double latency_us = 10;
  double gigabytes_per_s = 450;  ///< of 1e9 bytes

  [[nodiscard]] double carry_us(byte_count bytes) const {
    return static_cast<double>(bytes) / (gigabytes_per_s * 1e3);
  }
  /// All of a transfer whose busiest rank has so many bytes; without any there is none.
  [[nodiscard]] double transfer_us(byte_count bytes) const {
    return bytes == 0 ? 0 : latency_us + carry_us(bytes);
  }
};

/// What one rank takes for each part of a step, measured.
struct rank_phases {
  double agree = 0;     ///< counting rows, planning, the schedule
  double prepare = 0;   ///< uploading lists, index, pack
  double own = 0;       ///< rows that stay, to their experts
  double regroup = 0;   ///< rows that came, to their experts
  double native = 0;    ///< the rank's own experts
  double lent = 0;      ///< other ranks' experts
  double gather = 0;    ///< rows that go back, side by side
  double own_back = 0;  ///< rows that stayed
  double combine = 0;
};

/// What all ranks send in one direction, and the busiest of them.
struct step_traffic {
  byte_count rows = 0;     ///< out; as many come back
  byte_count weights = 0;  ///< lent
};

/// When two transfers end that share a link evenly while both have bytes left.
struct shared_lanes {
  double weights_in;
  double rows_in;

  /// Each begins to move bytes at its time, weights first, and would take so long alone.
  shared_lanes(double weights_from, double weights_us, double rows_from, double rows_us) {
    double const alone = (std::min)(weights_us, (std::max)(rows_from - weights_from, 0.0));
    double const left = weights_us - alone;
    double const both = 2 * (std::min)(left, rows_us);
    weights_in = left <= rows_us ? (left > 0 ? rows_from + both : weights_from + weights_us)
                                 : rows_from + left + rows_us;
    rows_in = rows_us <= left ? rows_from + both : rows_from + left + rows_us;
  }
};

/// A step of all ranks: when its parts end, and all of it.
struct step_times {
  double started = 0;     ///< planned; weights are posted
  double dispatched = 0;  ///< all rows are where they are computed
  double weights_in = 0;  ///< all lent weights are
  double computed = 0;    ///< the last rank has computed and gathered
  double step = 0;
};

/// Ranks wait for each other where their data make them: after planning, for rows (all have
/// packed), for rows on their way back (all have gathered). bench/gpu/README.md has the formula.
[[nodiscard]] inline step_times model_step(std::span<rank_phases const> ranks,
                                           step_traffic const& busiest, network const& by) {
  step_times t;
  for (rank_phases const& r : ranks) t.started = (std::max)(t.started, r.agree);
  t.started += by.latency_us;  // the all-gather
  double packed = t.started;
  for (rank_phases const& r : ranks) packed = (std::max)(packed, t.started + r.prepare);
  shared_lanes const lanes(t.started + by.latency_us, by.carry_us(busiest.weights),
                           packed + by.latency_us, by.carry_us(busiest.rows));
  t.dispatched = busiest.rows == 0 ? packed : lanes.rows_in;
  t.weights_in = busiest.weights == 0 ? t.started : lanes.weights_in;

  auto const gathered = [&](rank_phases const& r) {
    double const rows_in = (std::max)(t.dispatched, t.started + r.prepare + r.own);
    return (std::max)(rows_in + r.regroup + r.native, t.weights_in) + r.lent + r.gather;
  };
  for (rank_phases const& r : ranks) t.computed = (std::max)(t.computed, gathered(r));
  double const returned = t.computed + by.transfer_us(busiest.rows);
  for (rank_phases const& r : ranks)
    t.step = (std::max)(t.step, (std::max)(returned, gathered(r) + r.own_back) + r.combine);
  return t;
}

/// The rows of each rank, and what standard EP takes for them.
struct ep_step {
  std::span<rank_phases const> phases;
  std::span<row_count const> rows_computed;
};

/// The no-overlap floor of a plan that sends `busiest`: what EP does, spread evenly, at the rate a
/// row of EP's busiest rank; transfers one after the other, none behind anything else.
[[nodiscard]] inline double floor_us(ep_step const& ep, step_traffic const& busiest,
                                     network const& by) {
  auto const ranks = static_cast<double>(ep.phases.size());
  double evenly = 0;  // all that isn't the experts' work
  double agree = 0;
  for (rank_phases const& r : ep.phases) {
    agree = (std::max)(agree, r.agree);
    evenly += (r.prepare + r.regroup + r.gather + r.combine) / ranks;
  }
  row_count all = 0;
  std::size_t most = 0;  // the busiest rank
  for (std::size_t r = 0; r < ep.rows_computed.size(); ++r) {
    all += ep.rows_computed[r];
    if (ep.rows_computed[r] > ep.rows_computed[most]) most = r;
  }
  double const a_row = all == 0 ? 0
                                : (ep.phases[most].native + ep.phases[most].lent) /
                                      static_cast<double>(ep.rows_computed[most]);
  return agree + by.latency_us + evenly + a_row * static_cast<double>(all) / ranks +
         2 * by.transfer_us(busiest.rows) + by.transfer_us(busiest.weights);
}

}  // namespace llep::bench
