// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <llep/shape.hpp>
#include <llep/workspace.hpp>

#include "tool/policies.hpp"

namespace llep::train {

/// A small byte-level language model with MoE layers, and how it is trained.
struct setup {
  std::int32_t ranks = 8;  ///< P, emulated
  std::int64_t steps = 250;
  std::int32_t experts = 16;  ///< E
  std::int64_t choices = 2;   ///< K
  std::int64_t layers = 2;
  std::int64_t hidden = 64;   ///< H
  std::int64_t inner = 64;    ///< F
  std::int64_t window = 8;    ///< bytes that the next one is told from
  std::int64_t tokens = 128;  ///< T, a rank and a step
  double rate = 3e-3;         ///< Adam's
  std::uint64_t seed = 1;
  training keep{};  ///< what forward keeps for backward
};

/// What happened in one step.
struct step_facts {
  double loss = 0;           ///< mean over all tokens, in nats
  double max_over_mean = 0;  ///< busiest rank / mean, mean over layers
  std::int64_t moves = 0;    ///< all layers
};

struct history {
  std::vector<step_facts> steps;
  byte_count peak_bytes = 0;  ///< most that a step needs on a rank: workspace and what records keep
};

/// Is called by one rank after each step.
using progress = std::function<void(std::int64_t step, step_facts const&)>;

/// Trains from scratch with Kernels::kernel<swiglu_expert<double>>, experts spread over the ranks,
/// all else replicated. The same setup and text begin with the same numbers and see the same bytes,
/// whatever the planner. See training_run_with.hpp.
template <class Kernels>
[[nodiscard]] history run_training(setup const& how, std::vector<std::uint8_t> const& text,
                                   tool::any_planner const& planner, progress const& tell);

}  // namespace llep::train
