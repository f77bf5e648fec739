// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <llep/shape.hpp>

#include "demo_run.hpp"
#include "routing_trace.hpp"

namespace llep::tool {

/// What the demo compares: the same layers under standard EP and under LLEP.
struct demo_comparison {
  routing_trace const* trace = nullptr;
  demo_input const* input = nullptr;
  row_count min_tokens = 0;  ///< m
  std::string ranks{};       ///< what they are, in words
  std::string kernel{};      ///< its name
  std::string clock{};       ///< whose time was taken: CPU or GPU
  std::vector<demo_outcome> ep{};
  std::vector<demo_outcome> llep{};
  bool identical = false;  ///< all outputs, bit by bit
  double difference = 0;   ///< the largest of outputs, scaled by the largest output of a layer
  bool agrees = false;     ///< the outputs are as equal as this kernel has to make them
};

/// Writes the comparison as text of at most 100 columns, ASCII only.
void write_demo_report(std::ostream& out, demo_comparison const& both);

}  // namespace llep::tool
