// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <llep/imbalance/threshold.hpp>
#include <llep/shape.hpp>

#include "../plan_facts.hpp"
#include "../planner_choice.hpp"
#include "../policies.hpp"
#include "load_trace.hpp"
#include "replay_problem.hpp"

namespace llep::tool {

struct named_planner {
  std::string name;
  any_planner planner;
};

/// How a trace is replayed.
struct replay_setup {
  std::int32_t ranks = 1;
  std::int64_t scale = 1;  ///< multiplies the counts
  std::vector<named_planner> planners;
  planner_choice common{};  ///< alpha, m and threshold of all planners; the name says nothing

  /// From when on loads count as uneven.
  [[nodiscard]] imbalance_threshold threshold() const {
    return common.threshold.value_or(imbalance_threshold{});
  }
};

/// What one planner made of one (step, layer).
struct replay_row {
  std::size_t pair = 0;     ///< position in the trace
  std::size_t planner = 0;  ///< position in the setup
  double before = 1;        ///< busiest rank / mean under standard EP; 1 where nothing is routed
  double after = 1;         ///< the same under the plan
  std::int64_t moves = 0;
  std::int64_t fan_in = 0;   ///< most experts lent to one rank
  std::int64_t fan_out = 0;  ///< most moves that leave one rank
  row_count moved_rows = 0;  ///< computed by another rank than the expert's owner
  double planning_us = 0;    ///< of the fastest of three calls, or of one that takes long
};

/// How uneven a (step, layer) is, as in the paper's Fig. 3.
struct imbalance_row {
  std::size_t pair = 0;
  expert_id busiest_expert = 0;
  double expert_ratio = 1;  ///< busiest expert / mean expert
  rank_id busiest_rank = 0;
  double rank_ratio = 1;  ///< busiest rank / mean rank
  bool per_rank_triggers = false;
  bool per_expert_triggers = false;
};

struct replay_result {
  std::vector<replay_row> rows;           ///< by pair, then planner
  std::vector<imbalance_row> imbalances;  ///< by pair
  row_count total_rows = 0;               ///< of all pairs together
};

/// Plans every pair with every planner; each plan is validated.
/// @throws input_error if all rows together, times the scale, are 2^63 or more
[[nodiscard]] replay_result replay(load_trace const& trace, replay_setup const& setup);

}  // namespace llep::tool
