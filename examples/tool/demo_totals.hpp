// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/shape.hpp>

#include "demo_run.hpp"
#include "plan_facts.hpp"

namespace llep::tool {

[[nodiscard]] inline double most_seconds(demo_outcome const& of) {
  return *std::max_element(of.seconds.begin(), of.seconds.end());
}

/// All layers of a mode taken together.
struct demo_totals {
  double worst = 1;    ///< max/mean
  double average = 0;  ///< of max/mean
  double seconds = 0;  ///< of each layer's busiest rank
  std::int64_t moves = 0;
  row_count spilled = 0;
  std::vector<byte_count> peaks;  ///< by rank, over the layers

  explicit demo_totals(std::vector<demo_outcome> const& mode) {
    for (demo_outcome const& o : mode) {
      double const ratio = max_over_mean(o.rows);
      worst = std::max(worst, ratio);
      average += ratio / static_cast<double>(mode.size());
      seconds += most_seconds(o);
      moves += std::ssize(o.made.moves);
      spilled += o.spilled_rows;
      peaks.resize(o.workspace.size(), 0);
      for (std::size_t r = 0; r < peaks.size(); ++r) peaks[r] = std::max(peaks[r], o.workspace[r]);
    }
  }

  [[nodiscard]] byte_count peak() const { return *std::max_element(peaks.begin(), peaks.end()); }
};

}  // namespace llep::tool
