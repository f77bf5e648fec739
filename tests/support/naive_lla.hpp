// SPDX-License-Identifier: Apache-2.0
#pragma once

// The least-loaded assignment, written a second time straight from its description: ranks are
// really sorted before every chunk, nothing is shared with the library. Only for use as an oracle.
//
// Expected of the input: ranks >= 1; owner and load of equal size; 0 <= owner < ranks; loads >= 0
// with a sum of at most 2^63 - 1; alpha >= 0 and not a NaN.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace llep::testing::naive {

enum class rules { ceil, paper, reference };

struct input {
  std::int32_t ranks = 1;
  std::vector<std::int32_t> owner;
  std::vector<std::int64_t> load;
  double alpha = 1.0;
  std::int64_t min_chunk_rows = 0;
  rules rule = rules::ceil;
  bool keep_small_excess_home = false;
};

struct segment {
  std::int32_t rank = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;

  friend bool operator==(segment const&, segment const&) = default;
};

namespace detail {

__extension__ typedef __int128 wide;

// 2^63, the first value that no longer fits; a power of two, so the double is exact.
inline constexpr double int64_limit = 0x1p63;

inline std::int64_t total_load(input const& in) {
  return std::accumulate(in.load.begin(), in.load.end(), std::int64_t{0});
}

inline wide divide_up(wide value, wide divisor) { return (value + divisor - 1) / divisor; }

// No rank can be given more than the total, so a capacity too large to be represented plans like
// the total. Smaller ones are left alone, even above the total: the golden lines show them so.
inline std::int64_t narrow_or_total(wide value, std::int64_t total) {
  return value < (wide{1} << 63) ? static_cast<std::int64_t>(value) : total;
}

inline std::int64_t exact_capacity(input const& in, std::int64_t total) {
  double const millionths = in.alpha * 1e6;
  if (!(millionths < int64_limit)) return total;
  wide const scaled = wide{std::llround(millionths)} * total;  // at most 2^126
  wide const divisor = wide{in.ranks} * 1'000'000;
  if (in.rule == rules::paper) return narrow_or_total(scaled / divisor, total);
  wide const balanced = divide_up(total, in.ranks);
  return narrow_or_total(std::max(divide_up(scaled, divisor), balanced), total);
}

// Whole division first, then a product of doubles: the rounding of the public code is wanted.
inline std::int64_t reference_capacity(input const& in, std::int64_t total) {
  if (total < in.ranks) return std::max(total, std::int64_t{1});
  double const product = in.alpha * static_cast<double>(total / in.ranks);
  if (!(product < int64_limit)) return total;
  return std::max(static_cast<std::int64_t>(product), std::int64_t{1});
}

}  // namespace detail

/// Rows a rank may hold before work is moved; above the total where alpha > ranks asks for it.
inline std::int64_t capacity(input const& in) {
  std::int64_t const total = detail::total_load(in);
  if (in.rule == rules::reference) return detail::reference_capacity(in, total);
  return detail::exact_capacity(in, total);
}

namespace detail {

class planner {
 public:
  explicit planner(input const& in)
      : in_(in),
        capacity_(capacity(in)),
        assigned_(static_cast<std::size_t>(in.ranks), 0),
        pending_(static_cast<std::size_t>(in.ranks), 0),
        plan_(in.load.size()) {
    for (std::size_t e = 0; e < in.load.size(); ++e) pending_[index(in.owner[e])] += in.load[e];
  }

  std::vector<std::vector<segment>> run() {
    for (std::size_t const e : experts_by_decreasing_load()) {
      if (in_.load[e] > 0) visit(e);
    }
    return std::move(plan_);
  }

 private:
  static std::size_t index(std::int32_t rank) { return static_cast<std::size_t>(rank); }

  std::int64_t effective(std::int32_t rank) const {
    return assigned_[index(rank)] + pending_[index(rank)];
  }

  std::vector<std::size_t> experts_by_decreasing_load() const {
    std::vector<std::size_t> order(in_.load.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [this](std::size_t x, std::size_t y) {
      return in_.load[x] != in_.load[y] ? in_.load[x] > in_.load[y] : x < y;
    });
    return order;
  }

  std::vector<std::int32_t> others_by_effective_load(std::int32_t owner) const {
    std::vector<std::int32_t> order;
    order.reserve(assigned_.size());
    for (std::int32_t r = 0; r < in_.ranks; ++r) {
      if (r != owner) order.push_back(r);
    }
    std::sort(order.begin(), order.end(), [this](std::int32_t x, std::int32_t y) {
      return effective(x) != effective(y) ? effective(x) < effective(y) : x < y;
    });
    return order;
  }

  void visit(std::size_t e) {
    std::int32_t const owner = in_.owner[e];
    std::int64_t const load = in_.load[e];
    pending_[index(owner)] -= load;
    std::int64_t const room = capacity_ - effective(owner);
    std::int64_t const home = rows_at_home(load, room);
    if (home > 0) give(e, owner, 0, home);
    if (home == load) return;
    // The public code re-sorts for what is left of an expert that fits in part, as the paper does;
    // only when the owner has no room at all does it make one pass over one sort.
    if (in_.rule == rules::reference && room <= 0) {
      spill_in_one_pass(e, home);
    } else {
      spill(e, home);
    }
  }

  std::int64_t rows_at_home(std::int64_t load, std::int64_t room) const {
    if (in_.ranks == 1) return load;
    std::int64_t const fits = std::clamp(room, std::int64_t{0}, load);
    bool const small_excess = load - fits < in_.min_chunk_rows;
    return in_.keep_small_excess_home && small_excess ? load : fits;
  }

  std::int64_t chunk(std::int32_t rank, std::int64_t rest) const {
    return std::min(rest, capacity_ - effective(rank));
  }

  bool qualifies(std::int64_t rows, std::int64_t rest) const {
    return rows > 0 && !(rows < in_.min_chunk_rows && rows < rest);
  }

  void spill(std::size_t e, std::int64_t begin) {
    std::int64_t const load = in_.load[e];
    while (begin < load) {
      std::int64_t const rest = load - begin;
      auto const order = others_by_effective_load(in_.owner[e]);
      auto const taker = std::find_if(order.begin(), order.end(), [&](std::int32_t rank) {
        return qualifies(chunk(rank, rest), rest);
      });
      bool const forced = taker == order.end();
      std::int32_t const rank = forced ? order.front() : *taker;
      begin = give(e, rank, begin, forced ? rest : chunk(rank, rest));
    }
  }

  void spill_in_one_pass(std::size_t e, std::int64_t begin) {
    std::int64_t const load = in_.load[e];
    auto const order = others_by_effective_load(in_.owner[e]);
    for (std::int32_t const rank : order) {
      std::int64_t const rows = chunk(rank, load - begin);
      if (qualifies(rows, load - begin)) begin = give(e, rank, begin, rows);
    }
    // The head of the order as it was before the pass, even if the pass has just filled it.
    if (begin < load) give(e, order.front(), begin, load - begin);
  }

  // Returns where the next chunk begins.
  std::int64_t give(std::size_t e, std::int32_t rank, std::int64_t begin, std::int64_t rows) {
    std::int64_t const end = begin + rows;
    assigned_[index(rank)] += rows;
    auto& segments = plan_[e];
    if (!segments.empty() && segments.back().rank == rank) {
      segments.back().end = end;  // chunks come in order without gaps: neighbours by construction
    } else {
      segments.push_back({rank, begin, end});
    }
    return end;
  }

  input const& in_;
  std::int64_t capacity_;
  std::vector<std::int64_t> assigned_;
  std::vector<std::int64_t> pending_;
  std::vector<std::vector<segment>> plan_;
};

}  // namespace detail

/// Per expert id its segments in the order decided, neighbours on one rank joined.
inline std::vector<std::vector<segment>> assign(input const& in) {
  return detail::planner{in}.run();
}

}  // namespace llep::testing::naive
