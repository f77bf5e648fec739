// SPDX-License-Identifier: Apache-2.0
#include "replay_summary.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace llep::tool {
namespace {

// `values` are sorted, and not none.
double percentile(std::vector<double> const& values, double share) {
  double const at = share * static_cast<double>(values.size() - 1);
  auto const below = static_cast<std::size_t>(at);
  auto const above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

/// The values of a member over all rows that `chosen` accepts.
template <class Row, class Chosen>
distribution over(std::vector<Row> const& rows, double Row::* value, Chosen chosen) {
  std::vector<double> values;
  for (Row const& row : rows)
    if (chosen(row)) values.push_back(row.*value);
  return distribution(std::move(values));
}

planner_summary summary_of(std::size_t planner, replay_setup const& setup,
                           replay_result const& result) {
  planner_summary all;
  all.planner = setup.planners[planner].name;
  auto const is_its = [planner](replay_row const& row) { return row.planner == planner; };
  all.before = over(result.rows, &replay_row::before, is_its);
  all.after = over(result.rows, &replay_row::after, is_its);
  all.planning_us = over(result.rows, &replay_row::planning_us, is_its);
  for (replay_row const& row : result.rows) {
    if (!is_its(row)) continue;
    ++all.pairs;
    all.moves += row.moves;
    all.most_moves = std::max(all.most_moves, row.moves);
    all.most_fan_in = std::max(all.most_fan_in, row.fan_in);
    all.most_fan_out = std::max(all.most_fan_out, row.fan_out);
    all.moved_rows += row.moved_rows;
  }
  return all;
}

}  // namespace

distribution::distribution(std::vector<double> values) {
  if (values.empty()) return;
  std::sort(values.begin(), values.end());
  mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  least = values.front();
  quartile_1 = percentile(values, 0.25);
  median = percentile(values, 0.5);
  quartile_3 = percentile(values, 0.75);
  percentile_95 = percentile(values, 0.95);
  worst = values.back();
}

std::vector<planner_summary> summaries(replay_setup const& setup, replay_result const& result) {
  std::vector<planner_summary> all;
  for (std::size_t n = 0; n < setup.planners.size(); ++n)
    all.push_back(summary_of(n, setup, result));
  return all;
}

std::size_t first_that_lends(std::vector<planner_summary> const& all) {
  auto const found =
      std::find_if(all.begin(), all.end(), [](planner_summary const& s) { return s.moves > 0; });
  return found == all.end() ? 0 : static_cast<std::size_t>(found - all.begin());
}

imbalance_summary summary(std::vector<imbalance_row> const& imbalances) {
  imbalance_summary all;
  auto const any = [](imbalance_row const&) { return true; };
  all.experts = over(imbalances, &imbalance_row::expert_ratio, any);
  all.ranks = over(imbalances, &imbalance_row::rank_ratio, any);
  for (imbalance_row const& row : imbalances) {
    all.per_rank_triggers += static_cast<std::int64_t>(row.per_rank_triggers);
    all.per_expert_triggers += static_cast<std::int64_t>(row.per_expert_triggers);
  }
  return all;
}

std::vector<layer_summary> layer_summaries(load_trace const& trace, replay_result const& result,
                                           std::size_t planner) {
  std::map<std::int64_t, std::pair<std::vector<double>, std::vector<double>>> ratios;
  for (replay_row const& row : result.rows) {
    if (row.planner != planner) continue;
    auto& [before, after] = ratios[trace.pairs[row.pair].layer];
    before.push_back(row.before);
    after.push_back(row.after);
  }
  std::vector<layer_summary> all;
  for (auto& [layer, both] : ratios)
    all.push_back(
        {layer, distribution(std::move(both.first)), distribution(std::move(both.second))});
  return all;
}

}  // namespace llep::tool
