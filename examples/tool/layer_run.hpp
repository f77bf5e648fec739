// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/shape.hpp>

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
};

/// What came out.
struct layer_result {
  std::vector<double> out;  ///< [T][H] of the first step
  std::int64_t moves = 0;
  row_count spilled_rows = 0;
  std::vector<byte_count> peak_bytes;  ///< by rank: workspace of the largest step
  std::int64_t odd_step = 0;  ///< the first step whose output isn't the first one's; 0: none
};

}  // namespace llep::tool
