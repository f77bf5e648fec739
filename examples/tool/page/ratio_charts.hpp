// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace llep::tool {

/// Ratios sorted by falling size, drawn over the share of them.
struct ratio_curve {
  std::string look;
  std::vector<double> falling;
};

/// As SVG.
/// @param marked a ratio that gets a line of its own
[[nodiscard]] std::string draw_ratio_curves(std::vector<ratio_curve> const& of, double marked,
                                            std::string const& label);

/// Where some ratios lie.
struct ratio_spread {
  std::string name;
  double least = 1;
  double lower = 1;  ///< a quarter of them is below
  double median = 1;
  double upper = 1;  ///< a quarter of them is above
  double most = 1;
};

struct spread_chart {
  std::string below;  ///< what the spreads' names are
  std::vector<ratio_spread> spreads;
  double largest = 1;   ///< what the scale must hold
  double marked = 1.3;  ///< a ratio that gets a line of its own
};

/// A column for each. As SVG.
[[nodiscard]] std::string draw_spreads(spread_chart const& of, std::string const& label);

}  // namespace llep::tool
