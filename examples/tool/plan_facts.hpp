// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>

namespace llep::tool {

// What reports say about a plan.

/// Busiest / mean; 1 where there is nothing.
[[nodiscard]] inline double max_over_mean(std::span<row_count const> loads) {
  auto const total = std::accumulate(loads.begin(), loads.end(), row_count{0});
  if (total == 0) return 1;
  return static_cast<double>(*std::max_element(loads.begin(), loads.end())) *
         static_cast<double>(loads.size()) / static_cast<double>(total);
}

/// Rows that each rank computes if every expert stays with its owner. [P]
[[nodiscard]] inline std::vector<row_count> native_loads(problem const& in) {
  std::vector<row_count> rows(static_cast<std::size_t>(in.ranks), 0);
  for (std::size_t e = 0; e < in.load.size(); ++e)
    rows[static_cast<std::size_t>(in.owner[e])] += in.load[e];
  return rows;
}

/// Rows that each rank computes. [P]
[[nodiscard]] inline std::vector<row_count> planned_loads(plan const& made, std::int32_t ranks) {
  std::vector<row_count> rows(static_cast<std::size_t>(ranks), 0);
  for (row_span const& s : made.spans) rows[static_cast<std::size_t>(s.rank)] += s.end - s.begin;
  return rows;
}

/// Rows that another rank than their expert's owner computes.
[[nodiscard]] inline row_count spilled_rows(problem const& in, plan const& made) {
  row_count rows = 0;
  for (row_span const& s : made.spans)
    if (s.rank != in.owner[static_cast<std::size_t>(s.expert)]) rows += s.end - s.begin;
  return rows;
}

}  // namespace llep::tool
