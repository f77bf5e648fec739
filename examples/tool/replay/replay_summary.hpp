// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "replay_run.hpp"

namespace llep::tool {

/// Where the values of a set lie. Percentiles are interpolated between neighbours.
struct distribution {
  double mean = 0;
  double least = 0;
  double quartile_1 = 0;
  double median = 0;
  double quartile_3 = 0;
  double percentile_95 = 0;
  double worst = 0;  ///< the largest

  distribution() = default;
  explicit distribution(std::vector<double> values);
};

/// What a planner made of all pairs.
struct planner_summary {
  std::string planner;
  std::int64_t pairs = 0;
  distribution before;  ///< max/mean under standard EP
  distribution after;   ///< the same under the plans
  distribution planning_us;
  std::int64_t moves = 0;
  std::int64_t most_moves = 0;  ///< of a pair
  std::int64_t most_fan_in = 0;
  std::int64_t most_fan_out = 0;
  row_count moved_rows = 0;
};

/// One entry a planner, in the order of the setup.
[[nodiscard]] std::vector<planner_summary> summaries(replay_setup const& setup,
                                                     replay_result const& result);

/// The position of the first planner that lends anything, or 0: of others there is nothing to see.
[[nodiscard]] std::size_t first_that_lends(std::vector<planner_summary> const& all);

/// How uneven the trace is.
struct imbalance_summary {
  distribution experts;  ///< busiest expert / mean
  distribution ranks;    ///< busiest rank / mean
  std::int64_t per_rank_triggers = 0;
  std::int64_t per_expert_triggers = 0;
};

[[nodiscard]] imbalance_summary summary(std::vector<imbalance_row> const& imbalances);

/// What a planner made of a layer, over all steps.
struct layer_summary {
  std::int64_t layer = 0;
  distribution before;
  distribution after;
};

/// By layer number.
[[nodiscard]] std::vector<layer_summary> layer_summaries(load_trace const& trace,
                                                         replay_result const& result,
                                                         std::size_t planner);

}  // namespace llep::tool
