// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "layer_case_data.hpp"

namespace llep::tool {

/// What an error that isn't finite is reported as, since JSON has no word for it.
inline constexpr double not_finite = 1e300;

/// The largest absolute difference over the largest expected magnitude; where that is 0, the result
/// must be 0. `not_finite` where a number isn't.
template <class T>
[[nodiscard]] double scaled_error(std::vector<T> const& expected, std::vector<T> const& got) {
  double difference = 0;
  double magnitude = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    double const d = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (!std::isfinite(d)) return not_finite;
    difference = std::max(difference, d);
    magnitude = std::max(magnitude, std::abs(static_cast<double>(expected[i])));
  }
  if (difference == 0) return 0;
  double const error = difference / magnitude;
  return std::isfinite(error) ? error : not_finite;
}

/// The error that is accepted, by what is computed in and what the expected array is kept in.
[[nodiscard]] constexpr double tolerance(element computing_in, element expected) {
  if (computing_in == element::f32) return 5e-6;
  return expected == element::f64 ? 1e-12 : 2e-7;
}

}  // namespace llep::tool
