// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace llep::tool {

/// What a rank has: a bar of one or two parts.
struct rank_bar {
  double native = 0;
  double lent = 0;  ///< on behalf of other ranks
  std::string words;

  [[nodiscard]] double value() const { return native + lent; }
};

struct bar_panel {
  std::string title;
  std::string note;            ///< a second line of the title
  std::vector<rank_bar> bars;  ///< [P]
  std::string mean_words;
  std::string look = "native";  ///< of the bars' native part
};

/// The ranks before and after, side by side.
struct bar_pair {
  bar_panel before;
  bar_panel after;
};

/// Bars of the same scale, a line at the mean. Of more than 64 ranks those that are busiest before
/// or after. As SVG.
[[nodiscard]] std::string draw_rank_bars(bar_pair const& of, std::string const& label);

/// Says which ranks are drawn, where these aren't all; starts with a space.
[[nodiscard]] std::string ranks_left_out(bar_pair const& of);

}  // namespace llep::tool
