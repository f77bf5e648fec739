// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace llep::tool {

/// Rows flowing from experts to ranks.
struct flow_chart {
  struct ribbon {
    std::size_t from = 0;  ///< position among the sources
    std::size_t to = 0;    ///< position among the targets
    bool lent = false;
    double rows = 0;
  };

  std::vector<std::string> sources;  ///< their names, top to bottom
  std::vector<std::string> targets;
  std::vector<ribbon> ribbons;    ///< at most one for each (from, to, lent)
  std::size_t others = SIZE_MAX;  ///< the source that stands for many
  std::string left_out{};         ///< says what isn't drawn; empty, or starts with a space
};

/// Ribbons as wide as their rows. As SVG.
[[nodiscard]] std::string draw_flow(flow_chart const& of, std::string const& label);

}  // namespace llep::tool
