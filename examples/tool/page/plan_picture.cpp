// SPDX-License-Identifier: Apache-2.0
#include "plan_picture.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "../plan_facts.hpp"
#include "page_words.hpp"

namespace llep::tool {
namespace {

constexpr std::size_t most_experts = 12;
constexpr std::size_t most_ranks = 16;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

double sum(std::span<row_count const> loads) {
  return std::accumulate(loads.begin(), loads.end(), 0.0);
}

bool is_lent(plan_picture const& of, row_span const& s) { return s.rank != of.owner[at(s.expert)]; }

std::string mean_words(double rows) { return rows < 100 ? decimal(rows, 1) : short_count(rows); }

// The positions of the `most` largest values, in their own order.
std::vector<std::size_t> largest(std::vector<row_count> const& values, std::size_t most) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(std::min(order.size(), most));
  std::sort(order.begin(), order.end());
  return order;
}

// Which node stands for what: one each for those drawn, the one behind them for all others.
class node_map {
 public:
  node_map(std::vector<std::size_t> const& drawn, std::size_t all) : node_(all, drawn.size()) {
    for (std::size_t n = 0; n < drawn.size(); ++n) node_[drawn[n]] = n;
  }
  [[nodiscard]] std::size_t of(std::int64_t which) const { return node_[at(which)]; }

 private:
  std::vector<std::size_t> node_;
};

// The hottest experts by owner, so that what stays at home flows straight.
std::vector<std::size_t> experts_drawn(plan_picture const& of) {
  auto hottest = largest({of.load.begin(), of.load.end()}, most_experts);
  std::stable_sort(hottest.begin(), hottest.end(),
                   [&](std::size_t a, std::size_t b) { return of.owner[a] < of.owner[b]; });
  return hottest;
}

// All ranks that compute something, or those that compute most for the experts drawn.
std::vector<std::size_t> ranks_drawn(plan_picture const& of, node_map const& experts,
                                     std::size_t others) {
  auto const all = planned_loads(*of.made, of.ranks);
  if (all.size() <= most_ranks) return largest(all, most_ranks);
  std::vector<row_count> rows(all.size(), 0);
  for (row_span const& s : of.made->spans)
    if (experts.of(s.expert) != others) rows[at(s.rank)] += s.end - s.begin;
  return largest(rows, most_ranks - 1);
}

}  // namespace

std::vector<lending> lendings(plan_picture const& of) {
  std::map<std::pair<expert_id, rank_id>, row_count> rows;
  for (row_span const& s : of.made->spans)
    if (is_lent(of, s)) rows[{s.expert, s.rank}] += s.end - s.begin;
  std::vector<lending> all;
  for (auto const& m : of.made->moves)
    all.push_back({m.expert, m.from, m.to, rows[{m.expert, m.to}]});
  std::stable_sort(all.begin(), all.end(),
                   [](lending const& a, lending const& b) { return a.rows > b.rows; });
  return all;
}

bar_pair rank_loads(plan_picture const& of, std::string const& planner) {
  auto const before = native_loads({of.ranks, of.owner, of.load, {}});
  auto const after = planned_loads(*of.made, of.ranks);
  std::vector<row_count> lent(at(of.ranks), 0);
  for (row_span const& s : of.made->spans)
    if (is_lent(of, s)) lent[at(s.rank)] += s.end - s.begin;
  auto const mean = "mean " + mean_words(sum(of.load) / of.ranks) + " rows";
  bar_pair pair{{"standard EP", "max/mean " + fixed(max_over_mean(before), 2), {}, mean},
                {planner, "max/mean " + fixed(max_over_mean(after), 2), {}, mean}};
  for (std::size_t r = 0; r < before.size(); ++r) {
    pair.before.bars.push_back({static_cast<double>(before[r]), 0, short_count(before[r])});
    pair.after.bars.push_back({static_cast<double>(after[r] - lent[r]),
                               static_cast<double>(lent[r]), short_count(after[r])});
  }
  return pair;
}

flow_chart row_flow(plan_picture const& of) {
  auto const experts = experts_drawn(of);
  node_map const source(experts, of.load.size());
  auto const ranks = ranks_drawn(of, source, experts.size());
  node_map const target(ranks, at(of.ranks));
  bool const draw_others = at(of.ranks) <= most_ranks;  // of many ranks they would bury the rest
  std::map<std::tuple<std::size_t, std::size_t, bool>, double> ribbons;
  double rows_left_out = 0;
  for (row_span const& s : of.made->spans) {
    auto const rows = static_cast<double>(s.end - s.begin);
    if (source.of(s.expert) == experts.size() && !draw_others)
      rows_left_out += rows;
    else
      ribbons[{source.of(s.expert), target.of(s.rank), is_lent(of, s)}] += rows;
  }
  flow_chart flow;
  flow.others = experts.size();
  for (std::size_t const e : experts) flow.sources.push_back("e" + std::to_string(e));
  for (std::size_t const r : ranks) flow.targets.push_back("rank " + std::to_string(r));
  for (auto const& [way, rows] : ribbons) {
    auto const& [from, to, lent] = way;
    flow.ribbons.push_back({from, to, lent, rows});
    if (from == experts.size()) flow.sources.resize(from + 1, "others");
    if (to == ranks.size()) flow.targets.resize(to + 1, "others");
  }
  if (rows_left_out > 0)
    flow.left_out =
        " Experts with fewer rows are left out: " + percent(rows_left_out, sum(of.load)) +
        " of the rows.";
  return flow;
}

}  // namespace llep::tool
