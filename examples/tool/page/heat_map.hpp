// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace llep::tool {

/// Ratios of at least 1 over steps (columns) and layers (rows).
struct heat_map {
  std::vector<std::string> columns;  ///< their names
  std::vector<std::string> rows;
  std::vector<double> values;  ///< [rows][columns]; below 1: nothing there
};

/// As SVG. The scale is the same for all maps.
[[nodiscard]] std::string draw_heat_map(heat_map const& of, std::string const& label);
/// The scale, as SVG.
[[nodiscard]] std::string draw_heat_scale();

}  // namespace llep::tool
