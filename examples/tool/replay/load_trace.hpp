// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <llep/shape.hpp>

#include "../limits.hpp"

namespace llep::tool {

/// The recorded loads of one layer in one step.
struct trace_pair {
  std::int64_t step = 0;
  std::int64_t layer = 0;         ///< the model's own number
  std::vector<row_count> counts;  ///< [sources][E], rows
};

/// Recorded expert loads of a model: every step of every layer. All counts together add up to less
/// than 2^63, so no sum over some of them overflows.
struct load_trace {
  std::string name;
  std::string model;     ///< empty: not said
  std::string workload;  ///< empty: not said
  std::int32_t experts = 0;
  bool experts_said = true;             ///< false: `experts` is the largest id seen, and one
  std::int64_t choices = 0;             ///< K; 0: not said
  std::int32_t sources = 1;             ///< ranks that the rows come from
  bool sources_known = false;           ///< false: only sums were recorded, and `sources` is 1
  std::vector<std::string> step_names;  ///< empty, or one a step
  std::vector<trace_pair> pairs;        ///< by step, then layer
};

// What a trace may hold, so that neither a damaged header nor a few hostile bytes take all memory.
inline constexpr std::int64_t most_trace_axis = most_ranks_or_experts;  ///< experts; source ranks
inline constexpr std::int64_t most_trace_pairs = 1'048'576;
inline constexpr std::int64_t most_trace_counts = std::int64_t{1} << 27;

/// Reads a trace: a .csv file in the format of examples/data, or a router trace as Megatron-LM
/// writes it (a JSONL file, or a directory with one file a rank). The content decides which.
/// @param experts E, where the file doesn't say it; must agree where it does
/// @throws input_error naming file, line and field
[[nodiscard]] load_trace read_load_trace(std::string const& path,
                                         std::optional<std::int32_t> experts);

}  // namespace llep::tool
