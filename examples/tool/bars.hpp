// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>

namespace llep::tool {

/// A bar of `width` characters for `value` out of `largest`, with a mark at `mean`: "####|##   ".
[[nodiscard]] inline std::string bar(double value, double mean, double largest, std::size_t width) {
  auto const columns = [&](double v) {
    double const share = largest > 0 ? std::clamp(v / largest, 0.0, 1.0) : 0.0;
    return static_cast<std::size_t>(std::lround(share * static_cast<double>(width)));
  };
  std::string text(columns(value), '#');
  text.resize(width, ' ');
  if (std::size_t const mark = columns(mean); mark > 0) text[mark - 1] = '|';
  return text;
}

}  // namespace llep::tool
