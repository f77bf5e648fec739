// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>

#include "../policies.hpp"
#include "load_trace.hpp"

namespace llep::tool {

/// A (step, layer) of a trace as a problem that owns what it refers to.
struct replay_problem {
  std::int32_t ranks = 1;
  std::vector<rank_id> owner;     ///< [E]
  std::vector<row_count> load;    ///< [E]
  std::vector<row_count> counts;  ///< [P][E], or empty: see make_replay_problem

  [[nodiscard]] problem view() const { return {ranks, owner, load, counts}; }
};

namespace detail {

// [P][E], the loads spread evenly.
inline std::vector<row_count> spread_evenly(std::vector<row_count> const& load,
                                            std::int32_t ranks) {
  std::vector<row_count> counts;
  counts.reserve(static_cast<std::size_t>(ranks) * load.size());
  for (rank_id p = 0; p < ranks; ++p)
    for (row_count const rows : load)
      counts.push_back(rows / ranks + static_cast<row_count>(p < rows % ranks));
  return counts;
}

}  // namespace detail

/// Owners are the default map. Where the trace's sources are not the ranks, an expert's rows are
/// spread evenly over the ranks, the first ones getting one more. The counts are left out where P x
/// E is beyond 2^17 and no planner looks at them.
/// The rows of the whole trace times `scale` are below 2^63 (`replay` checks it).
[[nodiscard]] inline replay_problem make_replay_problem(load_trace const& trace,
                                                        trace_pair const& pair, std::int32_t ranks,
                                                        std::int64_t scale) {
  constexpr std::int64_t few_counts = std::int64_t{1} << 17;
  replay_problem made{ranks, contiguous_owners(trace.experts, ranks), {}, {}};
  auto scaled = pair.counts;
  for (row_count& count : scaled) count *= scale;
  auto const experts = static_cast<std::size_t>(trace.experts);
  made.load.assign(experts, 0);
  for (std::size_t i = 0; i < scaled.size(); ++i) made.load[i % experts] += scaled[i];
  if (!any_planner::needs_counts && std::int64_t{ranks} * trace.experts > few_counts) return made;
  bool const as_recorded = trace.sources_known && trace.sources == ranks;
  made.counts = as_recorded ? std::move(scaled) : detail::spread_evenly(made.load, ranks);
  return made;
}

}  // namespace llep::tool
