// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>

#include "policies.hpp"
#include "routing_trace.hpp"

namespace llep::tool {

/// One layer of the demo: recorded choices, seeded weights.
struct demo_layer {
  std::int64_t id = 0;            ///< the model's own number
  std::vector<std::int32_t> ids;  ///< [T][K]
  std::vector<float> gates;       ///< [T][K]
  std::vector<float> weights;     ///< [E][3][H x F]
  std::vector<row_count> load;    ///< [E], rows
};

/// What all modes get alike.
struct demo_input {
  std::int64_t hidden = 128;  ///< H
  std::int64_t inner = 88;    ///< F
  std::int32_t ranks = 1;
  std::int32_t experts = 1;
  std::int64_t choices = 1;
  std::int64_t tokens = 0;     ///< T, over all ranks
  std::vector<float> x;        ///< [T][H]
  std::vector<rank_id> owner;  ///< [E]
  std::vector<demo_layer> layers;

  [[nodiscard]] row_count rows() const { return tokens * choices; }
  [[nodiscard]] byte_count row_bytes() const { return hidden * std::int64_t{sizeof(float)}; }
  [[nodiscard]] byte_count expert_bytes() const { return 3 * inner * row_bytes(); }
  /// The first token of a rank; of rank P: T. As even as possible, the first ranks one more.
  [[nodiscard]] std::int64_t first_token(rank_id r) const;
};

/// The layers with these numbers, all recorded steps of them taken as one.
[[nodiscard]] demo_input make_demo_input(routing_trace const& trace,
                                         std::vector<std::int64_t> const& layer_ids,
                                         std::int32_t ranks);

/// What a layer's step came to.
struct demo_outcome {
  std::vector<float> out;             ///< [T][H]
  std::vector<row_count> rows;        ///< by rank, computed there
  std::vector<double> seconds;        ///< by rank, in the kernel
  std::vector<byte_count> workspace;  ///< by rank
  plan made{};
  row_count spilled_rows = 0;     ///< computed by another rank than the expert's owner
  row_count travelling_rows = 0;  ///< computed by another rank than the token's
};

/// [planner][layer]
using demo_outcomes = std::vector<std::vector<demo_outcome>>;
/// Is called before each layer with its position.
using demo_progress = std::function<void(std::size_t)>;

}  // namespace llep::tool
