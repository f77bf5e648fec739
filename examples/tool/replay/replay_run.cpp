// SPDX-License-Identifier: Apache-2.0
#include "replay_run.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <numeric>
#include <span>

#include <llep/imbalance/tests.hpp>
#include <llep/validate.hpp>

#include "../input_error.hpp"

namespace llep::tool {
namespace {

constexpr row_count most_rows = std::numeric_limits<row_count>::max();

row_count sum(std::span<row_count const> values) {
  return std::accumulate(values.begin(), values.end(), row_count{0});
}

std::size_t position_of_most(std::span<row_count const> loads) {
  return static_cast<std::size_t>(
      std::distance(loads.begin(), std::max_element(loads.begin(), loads.end())));
}

// Plans with one planner after the other in memory that stays.
class timed_planning {
 public:
  // Three calls: the first one of a pair may find cold caches and too little memory.
  static constexpr int calls = 3;
  static constexpr double long_us = 10'000;  // of such a call nothing is learnt by another one

  plan const& operator()(any_planner const& planner, problem const& in, double& fastest_us) {
    fastest_us = std::numeric_limits<double>::infinity();
    for (int call = 0; call < calls; ++call) {
      auto const begin = std::chrono::steady_clock::now();
      planner.plan(in, memory_, plan_);
      std::chrono::duration<double, std::micro> const took =
          std::chrono::steady_clock::now() - begin;
      fastest_us = std::min(fastest_us, took.count());
      if (took.count() > long_us) break;
    }
    check_(in, plan_);
    return plan_;
  }

 private:
  any_planner::memory memory_;
  plan plan_;
  plan_validator check_;
};

std::int64_t most_of_a_rank(plan const& made, std::int32_t ranks, rank_id weight_move::* end) {
  std::vector<std::int64_t> moves(static_cast<std::size_t>(ranks), 0);
  for (weight_move const& move : made.moves) ++moves[static_cast<std::size_t>(move.*end)];
  return *std::max_element(moves.begin(), moves.end());
}

void describe(problem const& in, plan const& made, replay_row& row) {
  row.after = max_over_mean(planned_loads(made, in.ranks));
  row.moves = std::ssize(made.moves);
  row.fan_in = most_of_a_rank(made, in.ranks, &weight_move::to);
  row.fan_out = most_of_a_rank(made, in.ranks, &weight_move::from);
  row.moved_rows = spilled_rows(in, made);
}

imbalance_row imbalance_of(std::size_t pair, replay_problem const& in,
                           std::span<row_count const> native, imbalance_threshold threshold) {
  imbalance_row row;
  row.pair = pair;
  row.busiest_expert = static_cast<expert_id>(position_of_most(in.load));
  row.expert_ratio = max_over_mean(in.load);
  row.busiest_rank = static_cast<rank_id>(position_of_most(native));
  row.rank_ratio = max_over_mean(native);
  row.per_rank_triggers = per_rank{threshold}(native, in.load);
  row.per_expert_triggers = per_expert{threshold}(native, in.load);
  return row;
}

row_count total_rows(load_trace const& trace, std::int64_t scale) {
  row_count total = 0;
  for (trace_pair const& pair : trace.pairs) total += sum(pair.counts);
  if (total > most_rows / scale)
    throw input_error("--scale: the trace's " + std::to_string(total) + " rows times " +
                      std::to_string(scale) + " are more than 2^63 - 1");
  return total * scale;
}

}  // namespace

replay_result replay(load_trace const& trace, replay_setup const& setup) {
  replay_result result;
  result.total_rows = total_rows(trace, setup.scale);
  timed_planning planned;
  for (std::size_t i = 0; i < trace.pairs.size(); ++i) {
    auto const made = make_replay_problem(trace, trace.pairs[i], setup.ranks, setup.scale);
    validate(made.view());
    auto const native = native_loads(made.view());
    result.imbalances.push_back(imbalance_of(i, made, native, setup.threshold()));
    for (std::size_t n = 0; n < setup.planners.size(); ++n) {
      replay_row row;
      row.pair = i;
      row.planner = n;
      row.before = result.imbalances.back().rank_ratio;
      describe(made.view(), planned(setup.planners[n].planner, made.view(), row.planning_us), row);
      result.rows.push_back(row);
    }
  }
  return result;
}

}  // namespace llep::tool
