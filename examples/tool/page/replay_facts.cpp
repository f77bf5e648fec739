// SPDX-License-Identifier: Apache-2.0
#include "replay_facts.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace llep::tool {
namespace {

std::vector<std::int64_t> numbers(load_trace const& trace, std::int64_t trace_pair::* number) {
  std::set<std::int64_t> all;
  for (trace_pair const& pair : trace.pairs) all.insert(pair.*number);
  return {all.begin(), all.end()};
}

// The pairs by falling unevenness; the first of equal ones first.
std::vector<std::size_t> by_unevenness(replay_result const& result) {
  std::vector<std::size_t> order(result.imbalances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return result.imbalances[a].rank_ratio > result.imbalances[b].rank_ratio;
  });
  for (std::size_t& i : order) i = result.imbalances[i].pair;
  return order;
}

// Where numbers lie among cells that take several of them each.
class cell_index {
 public:
  cell_index(std::vector<std::int64_t> const& sorted, std::size_t most_cells)
      : sorted_(sorted),
        stride_(std::max<std::size_t>(1, (sorted.size() + most_cells - 1) / most_cells)) {}

  [[nodiscard]] std::size_t stride() const { return stride_; }
  [[nodiscard]] std::size_t of(std::int64_t number) const {
    auto const at = std::lower_bound(sorted_.begin(), sorted_.end(), number);
    return static_cast<std::size_t>(at - sorted_.begin()) / stride_;
  }
  /// Of each cell's first number.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < sorted_.size(); i += stride_)
      all.push_back(std::to_string(sorted_[i]));
    return all;
  }

 private:
  std::vector<std::int64_t> const& sorted_;
  std::size_t stride_;
};

// A trace's own names of steps, where they fit below a column each.
void take_short_names(std::vector<std::string>& columns, std::vector<std::string> const& names) {
  constexpr std::size_t characters_in_all = 48;
  std::size_t longest = 0;
  for (auto const& name : names) longest = std::max(longest, name.size());
  if (names.size() == columns.size() && longest * names.size() <= characters_in_all)
    columns = names;
}

ratio_spread spread_of(std::string const& name, std::vector<double> const& ratios) {
  distribution const all(ratios);
  return {name, all.least, all.quartile_1, all.median, all.quartile_3, all.worst};
}

}  // namespace

replay_facts make_replay_facts(load_trace const& trace, replay_setup const& setup,
                               replay_result const& result) {
  replay_facts facts;
  facts.steps = numbers(trace, &trace_pair::step);
  facts.layers = numbers(trace, &trace_pair::layer);
  facts.planners = summaries(setup, result);
  facts.uneven = summary(result.imbalances);
  facts.detailed = first_that_lends(facts.planners);
  if (auto const order = by_unevenness(result); !order.empty()) {
    facts.worst = order.front();
    facts.typical = order[order.size() / 2];
  }
  return facts;
}

map_pair make_maps(load_trace const& trace, replay_result const& result,
                   replay_facts const& facts) {
  cell_index const column(facts.steps, most_map_steps);
  cell_index const row(facts.layers, most_map_layers);
  map_pair maps;
  maps.steps_a_cell = column.stride();
  maps.layers_a_cell = row.stride();
  maps.before.columns = column.names();
  take_short_names(maps.before.columns, trace.step_names);
  maps.before.rows = row.names();
  maps.before.values.assign(maps.before.columns.size() * maps.before.rows.size(), 0.0);
  maps.after = maps.before;
  for (replay_row const& of : result.rows) {
    if (of.planner != facts.detailed) continue;
    trace_pair const& pair = trace.pairs[of.pair];
    auto const cell = row.of(pair.layer) * maps.before.columns.size() + column.of(pair.step);
    maps.before.values[cell] = std::max(maps.before.values[cell], of.before);
    maps.after.values[cell] = std::max(maps.after.values[cell], of.after);
  }
  return maps;
}

layer_spreads make_layer_spreads(load_trace const& trace, replay_result const& result,
                                 replay_facts const& facts, double marked) {
  cell_index const column(facts.layers, most_map_layers);
  auto const names = column.names();
  std::vector<std::vector<double>> experts(names.size());
  auto ranks = experts;
  double largest = 1;
  for (imbalance_row const& row : result.imbalances) {
    auto const at = column.of(trace.pairs[row.pair].layer);
    experts[at].push_back(row.expert_ratio);
    ranks[at].push_back(row.rank_ratio);
    largest = std::max({largest, row.expert_ratio, row.rank_ratio});
  }
  spread_chart const empty{"layer", {}, largest, marked};
  layer_spreads spreads{empty, empty, column.stride()};
  for (std::size_t i = 0; i < names.size(); ++i) {
    spreads.experts.spreads.push_back(spread_of(names[i], experts[i]));
    spreads.ranks.spreads.push_back(spread_of(names[i], ranks[i]));
  }
  return spreads;
}

planned_pair plan_pair(load_trace const& trace, replay_setup const& setup, std::size_t pair,
                       std::size_t planner) {
  planned_pair planned{make_replay_problem(trace, trace.pairs[pair], setup.ranks, setup.scale), {}};
  any_planner::memory memory;
  setup.planners[planner].planner.plan(planned.problem.view(), memory, planned.made);
  return planned;
}

lending_counts count_lendings(load_trace const& trace, replay_setup const& setup,
                              std::size_t planner) {
  lending_counts lent;
  for (std::size_t i = 0; i < trace.pairs.size(); ++i)
    for (weight_move const& m : plan_pair(trace, setup, i, planner).made.moves)
      ++lent[{m.from, m.to}];
  return lent;
}

}  // namespace llep::tool
