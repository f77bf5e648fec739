// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace llep::tool {

struct chart_line {
  std::string look;
  std::vector<double> values;  ///< one a step
};

/// Values over steps, both linear, from 0 up. As SVG.
[[nodiscard]] std::string draw_lines(std::vector<chart_line> const& of, std::string const& label);

}  // namespace llep::tool
