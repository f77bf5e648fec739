// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>

#include <llep/detail/int128.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

/// The paper's lambda: from which busiest / mean on loads count as uneven. Held in thousandths,
/// rounded once, here; so that two ranks can't round it differently later.
/// @throws llep::error (invalid_argument) unless finite and >= 1.
class imbalance_threshold {
 public:
  constexpr imbalance_threshold() = default;
  imbalance_threshold(double lambda)  // NOLINT(google-explicit-constructor): a checked number
      : milli_((expects(std::isfinite(lambda) && lambda >= 1.0,
                        "imbalance_threshold (lambda) must be finite and at least 1"),
                static_cast<std::int64_t>(std::llround((std::min)(lambda, 1e12) * 1000)))) {}

  [[nodiscard]] constexpr std::int64_t milli() const { return milli_; }

  /// Whether the largest load is at least lambda times the mean. The ratio is 1 when nothing is
  /// routed. loads: at least one, each >= 0, total below 2^63. O(size), integers only.
  [[nodiscard]] bool reached_by(std::span<row_count const> loads) const {
    row_count const total = std::accumulate(loads.begin(), loads.end(), row_count{0});
    if (total == 0) return milli_ <= 1000;
    auto const busiest = static_cast<detail::u128>(*std::max_element(loads.begin(), loads.end()));
    // busiest / (total / n) >= milli / 1000, each side below 2^128: the left one as busiest <=
    // total < 2^63, the right one as lambda is held below 2^50
    return busiest * loads.size() * 1000U >=
           static_cast<detail::u128>(milli_) * static_cast<detail::u128>(total);
  }

  friend constexpr bool operator==(imbalance_threshold const&,
                                   imbalance_threshold const&) = default;

 private:
  std::int64_t milli_ = 1300;
};

}  // namespace llep
