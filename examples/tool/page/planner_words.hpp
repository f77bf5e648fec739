// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>

#include "../planner_choice.hpp"
#include "../policies.hpp"
#include "page_words.hpp"

namespace llep::tool {

namespace detail {

[[nodiscard]] inline std::string settings(standard_ep const& /*has none*/) {
  return "every row at its expert\u2019s owner";
}
[[nodiscard]] inline std::string settings(least_loaded const& p) {
  constexpr std::array rules{"ceil", "paper", "reference"};
  return std::string("rule ") + rules[static_cast<std::size_t>(p.rules)] + ", alpha " +
         decimal(p.alpha.exact(), 6) + ", m = " + counted(p.min_chunk_rows.value(), "row") +
         (p.keep_small_excess_home ? ", small excess stays home" : "");
}
template <planner Primary>
[[nodiscard]] std::string settings(fallback<Primary> const& p) {
  return settings(p.primary) + "; standard EP where max/mean is below " +
         decimal(as_number(p.uneven.threshold), 3);
}

}  // namespace detail

/// A planner's settings, for a reader.
[[nodiscard]] inline std::string planner_words(any_planner const& p) {
  return std::visit([](auto const& chosen) { return detail::settings(chosen); }, p.choice);
}

}  // namespace llep::tool
