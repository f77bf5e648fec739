// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "plan_picture.hpp"

namespace llep::tool {

// Figures of one plan.

/// Rows by rank before and after.
/// @param title markup
[[nodiscard]] std::string rank_load_figure(plan_picture const& of, std::string const& planner,
                                           std::string const& title);
/// What the parts of such bars stand for.
[[nodiscard]] std::string load_legend();

/// The flow of rows and the experts lent, side by side.
[[nodiscard]] std::string plan_figures(plan_picture const& of);

/// The experts lent, at most `most` of them.
[[nodiscard]] std::string lending_list(plan_picture const& of, std::string const& title,
                                       std::size_t most);

}  // namespace llep::tool
