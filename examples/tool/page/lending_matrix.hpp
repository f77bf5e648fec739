// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <llep/shape.hpp>

namespace llep::tool {

/// How often experts were lent, by (from, to).
using lending_counts = std::map<std::pair<rank_id, rank_id>, std::int64_t>;

/// How wide it is, in units of a chart.
[[nodiscard]] double lending_matrix_width(std::int32_t ranks);

/// Beyond that many ranks a matrix is too large to read.
inline constexpr std::int32_t most_matrix_ranks = 32;

/// Lenders down, borrowers across, sums at the ends. As SVG.
[[nodiscard]] std::string draw_lending_matrix(lending_counts const& of, std::int32_t ranks,
                                              std::string const& label);

}  // namespace llep::tool
