// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/shape.hpp>
#include <llep/workspace.hpp>

#include "layer_case_data.hpp"
#include "policies.hpp"

namespace llep::tool {

/// How a case is to be run.
struct layer_setup {
  std::int32_t ranks = 1;
  any_planner planner{};
  any_row_order order{};
  element computing_in = element::f32;  ///< f32 or f64
  emulated::options schedule{};
  std::int64_t repeats = 1;  ///< steps through one dispatcher
  training keep{};           ///< what forward keeps for backward
};

/// What came out.
struct layer_result {
  std::map<std::string, std::vector<double>> arrays;  ///< of the last step, by the case's names
  std::int64_t moves = 0;
  row_count spilled_rows = 0;
  std::vector<byte_count> peak_bytes;  ///< by rank: workspace, and what the record keeps
  std::int64_t odd_step = 0;  ///< the first step whose results aren't the first one's; 0: none
};

}  // namespace llep::tool
