// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>

#include "flow_chart.hpp"
#include "rank_bars.hpp"

namespace llep::tool {

/// A plan to be drawn, and what it was made of.
struct plan_picture {
  std::int32_t ranks = 1;
  std::span<rank_id const> owner;   ///< [E]
  std::span<row_count const> load;  ///< [E], rows
  plan const* made = nullptr;
};

/// An expert lent, and the rows computed with it.
struct lending {
  expert_id expert = 0;
  rank_id from = 0;
  rank_id to = 0;
  row_count rows = 0;
};

/// By falling rows.
[[nodiscard]] std::vector<lending> lendings(plan_picture const& of);

/// Rows by rank under standard EP and under the plan.
/// @param planner what the plan's side is called
[[nodiscard]] bar_pair rank_loads(plan_picture const& of, std::string const& planner);

/// The rows of the hottest experts on their way to ranks.
[[nodiscard]] flow_chart row_flow(plan_picture const& of);

}  // namespace llep::tool
