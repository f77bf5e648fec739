// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/plan.hpp>

#include "../replay/load_trace.hpp"
#include "../replay/replay_run.hpp"
#include "../replay/replay_summary.hpp"
#include "heat_map.hpp"
#include "lending_matrix.hpp"
#include "plan_picture.hpp"
#include "ratio_charts.hpp"

namespace llep::tool {

// What the page of a replay tells, as numbers.

struct replay_facts {
  std::vector<std::int64_t> steps;   ///< their numbers, each once, growing
  std::vector<std::int64_t> layers;  ///< the same
  std::vector<planner_summary> planners;
  imbalance_summary uneven;
  std::size_t detailed = 0;  ///< the planner whose plans are drawn: the first one that lends
  std::size_t worst = 0;     ///< the pair that is most uneven before
  std::size_t typical = 0;   ///< the pair in the middle
};

[[nodiscard]] replay_facts make_replay_facts(load_trace const& trace, replay_setup const& setup,
                                             replay_result const& result);

/// Of more steps or layers than these, several share a cell, which shows the largest.
inline constexpr std::size_t most_map_steps = 200;
inline constexpr std::size_t most_map_layers = 128;

struct map_pair {
  heat_map before;
  heat_map after;
  std::size_t steps_a_cell = 1;
  std::size_t layers_a_cell = 1;
};
[[nodiscard]] map_pair make_maps(load_trace const& trace, replay_result const& result,
                                 replay_facts const& facts);

/// The paper's Fig. 3 over layers.
struct layer_spreads {
  spread_chart experts;  ///< busiest expert / mean
  spread_chart ranks;    ///< busiest rank / mean
  std::size_t layers_a_column = 1;
};
[[nodiscard]] layer_spreads make_layer_spreads(load_trace const& trace, replay_result const& result,
                                               replay_facts const& facts, double marked);

/// A pair with its plan.
struct planned_pair {
  replay_problem problem;
  plan made;

  [[nodiscard]] plan_picture picture() const {
    return {problem.ranks, problem.owner, problem.load, &made};
  }
};
[[nodiscard]] planned_pair plan_pair(load_trace const& trace, replay_setup const& setup,
                                     std::size_t pair, std::size_t planner);

/// Who lends to whom, over all pairs.
[[nodiscard]] lending_counts count_lendings(load_trace const& trace, replay_setup const& setup,
                                            std::size_t planner);

}  // namespace llep::tool
