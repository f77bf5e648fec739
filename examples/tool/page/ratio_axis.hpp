// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "page_words.hpp"
#include "svg.hpp"

namespace llep::tool {

/// A vertical axis for ratios from 1 up, in logarithms: half as much again is the same step
/// everywhere.
class ratio_axis {
 public:
  /// @param largest of the ratios that are drawn
  ratio_axis(double largest, double top, double bottom)
      : largest_(std::max(largest, 1.5) * 1.04), top_(top), bottom_(bottom) {}

  [[nodiscard]] double at(double ratio) const {
    double const height = std::log(std::max(ratio, 1.0)) / std::log(largest_);
    return bottom_ - height * (bottom_ - top_);
  }

  /// Lines and numbers; the line at `marked` looks different.
  void draw(drawing& out, double left, double right, double marked) const {
    for (double const ratio : ticks(marked)) {
      if (ratio != marked) out.line("grid", left, at(ratio), right, at(ratio));
      out.text("q e", left - 5, at(ratio) + 4, words(ratio));
    }
    out.line("mark", left, at(marked), right, at(marked));  // even if its number has no room
  }

 private:
  static std::string words(double ratio) {
    return ratio < 1000 ? decimal(ratio, 3) : decimal(ratio / 1000, 3) + 'k';
  }

  // The roundest ones first; whoever comes too near to one that is there stays away.
  [[nodiscard]] std::vector<double> ticks(double marked) const {
    std::vector<double> candidates{1.0, marked};
    for (double const digit : {1.0, 2.0, 5.0, 3.0, 1.5, 1.2, 7.0})
      for (double ten = 1; ten * digit <= largest_; ten *= 10) candidates.push_back(ten * digit);
    std::vector<double> taken;
    for (double const ratio : candidates) {
      bool const near = std::any_of(taken.begin(), taken.end(), [&](double other) {
        return std::abs(at(other) - at(ratio)) < 13;
      });
      if (!near) taken.push_back(ratio);
    }
    return taken;
  }

  double largest_;
  double top_;
  double bottom_;
};

}  // namespace llep::tool
