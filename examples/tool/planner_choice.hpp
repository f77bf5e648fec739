// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "policies.hpp"

namespace llep::tool {

/// What the options say about planning.
struct planner_choice {
  std::string name = "least_loaded";
  capacity_factor alpha{};
  chunk_rows min_tokens{};
  std::optional<imbalance_threshold> threshold{};  ///< none: no fallback
};

/// 1.3 for the threshold that was made of it.
[[nodiscard]] inline double as_number(imbalance_threshold threshold) {
  return static_cast<double>(threshold.milli()) / 1000;
}

inline constexpr std::array<std::string_view, 4> planner_names{
    "standard_ep", "least_loaded", "least_loaded_paper", "least_loaded_reference"};

/// The planner that is meant; `name` is one of `planner_names`.
[[nodiscard]] inline any_planner make_planner(planner_choice const& chosen) {
  auto const with_fallback = [&](auto const& primary) -> any_planner {
    if (!chosen.threshold) return {primary};
    return {fallback<std::remove_cvref_t<decltype(primary)>>{primary, {*chosen.threshold}, {}}};
  };
  if (chosen.name == "standard_ep") return with_fallback(standard_ep{});
  lla_rules rules = lla_rules::ceil;
  if (chosen.name == "least_loaded_paper") rules = lla_rules::paper;
  if (chosen.name == "least_loaded_reference") rules = lla_rules::reference;
  return with_fallback(least_loaded{chosen.alpha, chosen.min_tokens, rules});
}

}  // namespace llep::tool
