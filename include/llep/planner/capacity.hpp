// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <llep/detail/int128.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

/// The paper's alpha: a rank may be given alpha times the mean rows of a rank before its rows are
/// moved. Held in millionths, rounded once, here. Only rules that copy the public code use the
/// double.
/// @throws llep::error (invalid_argument) unless finite and > 0.
class capacity_factor {
 public:
  constexpr capacity_factor() = default;
  capacity_factor(double alpha)  // NOLINT(google-explicit-constructor): a checked number
      : exact_((expects(std::isfinite(alpha) && alpha > 0,
                        "capacity_factor (alpha) must be finite and greater than 0"),
                alpha)),
        // beyond 10^12 nothing changes: that times the mean is above every total
        millionths_(static_cast<std::int64_t>(std::llround((std::min)(alpha, 1e12) * 1e6))) {}

  [[nodiscard]] constexpr double exact() const { return exact_; }
  [[nodiscard]] constexpr std::int64_t millionths() const { return millionths_; }

  friend constexpr bool operator==(capacity_factor const&, capacity_factor const&) = default;

 private:
  double exact_ = 1.0;
  std::int64_t millionths_ = 1'000'000;
};

/// The paper's m: the smallest chunk of rows that is worth lending an expert for, while there are
/// so many and room for them. What is left of an expert goes to one rank all the same.
/// @throws llep::error (invalid_argument) if negative.
class chunk_rows {
 public:
  constexpr chunk_rows() = default;
  constexpr chunk_rows(row_count rows)  // NOLINT(google-explicit-constructor): a checked number
      : value_((expects(rows >= 0, "min_chunk_rows (m) must not be negative"), rows)) {}

  [[nodiscard]] constexpr row_count value() const { return value_; }

  friend constexpr bool operator==(chunk_rows const&, chunk_rows const&) = default;

 private:
  row_count value_ = 1024;
};

/// How capacity is rounded, and with `reference` also in which order ranks are tried.
enum class lla_rules : std::int32_t {
  ceil,       ///< max(ceil(alpha x total / P), ceil(total / P)): a remainder makes no moves
  paper,      ///< floor(alpha x total / P), as the paper's pseudo-code
  reference,  ///< as the authors' public code decides, double precision included
};

/// The rows that a rank may be given, C, of `total` rows over P ranks; never above `total`, which
/// changes no plan. 0 <= total < 2^63, P >= 1. O(1), exact integers (`reference`: a double
/// product).
[[nodiscard]] inline row_count capacity(lla_rules rules, capacity_factor alpha, row_count total,
                                        std::int32_t ranks) {
  if (rules == lla_rules::reference) {
    row_count const mean = total / ranks;
    if (mean == 0) return total;
    double const scaled = std::trunc(alpha.exact() * static_cast<double>(mean));
    if (scaled >= 0x1p63) return total;  // beyond any row count
    return std::clamp(static_cast<row_count>(scaled), row_count{1}, total);
  }
  auto const product =
      static_cast<detail::u128>(total) * static_cast<detail::u128>(alpha.millionths());
  auto const divisor = static_cast<detail::u128>(ranks) * 1'000'000U;
  auto const clamp = [total](detail::u128 rows) {
    return static_cast<row_count>((std::min)(rows, static_cast<detail::u128>(total)));
  };
  if (rules == lla_rules::paper) return clamp(product / divisor);
  return (std::max)(clamp((product + divisor - 1) / divisor),
                    total / ranks + static_cast<row_count>(total % ranks != 0));
}

}  // namespace llep
