// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llep/plan.hpp>
#include <llep/planner/capacity.hpp>

#include "json_field.hpp"
#include "limits.hpp"

namespace llep::tool {

/// One line of problems: what is to be planned.
struct plan_problem {
  std::string id;
  std::int32_t ranks = 1;
  capacity_factor alpha{};
  chunk_rows min_tokens{};
  std::vector<row_count> loads;
  std::vector<rank_id> owners;

  [[nodiscard]] problem as_problem() const { return {ranks, owners, loads, {}}; }
};

namespace detail {

inline std::vector<row_count> read_loads(json_field const& line, std::int32_t experts) {
  auto const field = line.at("loads");
  constexpr row_count most = std::numeric_limits<row_count>::max();
  auto loads = field.wholes(0, most);
  if (std::ssize(loads) != experts)
    field.fail("holds " + std::to_string(loads.size()) + " numbers, num_experts says " +
               std::to_string(experts));
  row_count total = 0;
  for (row_count const load : loads) {
    if (load > most - total) field.fail("adds up to more than 2^63 - 1");
    total += load;
  }
  return loads;
}

inline std::vector<rank_id> read_owners(json_field const& line, std::int32_t experts,
                                        std::int32_t ranks) {
  if (!line.has("owners")) return contiguous_owners(experts, ranks);
  auto const field = line.at("owners");
  auto const given = field.wholes(0, ranks - 1);
  if (std::ssize(given) != experts)
    field.fail("holds " + std::to_string(given.size()) + " numbers, num_experts says " +
               std::to_string(experts));
  return {given.begin(), given.end()};
}

inline plan_problem read_plan_problem(json_field const& line) {
  plan_problem p;
  p.id = line.at("id").text();
  auto const experts =
      static_cast<std::int32_t>(line.at("num_experts").whole(1, most_ranks_or_experts));
  p.ranks = static_cast<std::int32_t>(line.at("num_ranks").whole(1, most_ranks_or_experts));
  double const alpha = line.at("alpha").number();
  if (!(alpha > 0)) line.at("alpha").fail("must be greater than 0");
  p.alpha = capacity_factor(alpha);
  p.min_tokens = line.at("min_tokens_per_gemm").whole(0, std::numeric_limits<row_count>::max());
  p.loads = read_loads(line, experts);
  p.owners = read_owners(line, experts, p.ranks);
  return p;
}

}  // namespace detail

/// The problems in a text of one JSON object a line; empty lines count but hold none.
/// @throws input_error naming source, line and field.
[[nodiscard]] inline std::vector<plan_problem> read_plan_problems(std::string_view text,
                                                                  std::string const& source) {
  std::vector<plan_problem> problems;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    auto const line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    json_document const document(line, source, number);
    problems.push_back(detail::read_plan_problem(json_field(document)));
  }
  return problems;
}

}  // namespace llep::tool
