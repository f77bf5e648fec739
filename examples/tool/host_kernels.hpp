// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "demo_run.hpp"
#include "layer_case.hpp"
#include "layer_run.hpp"
#include "train/training_run.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace llep::tool {

/// What computes the experts on emulated ranks, each of which sees the weights of its own experts
/// only. The functions throw llep::error as the library does.
struct host_kernel {
  std::string name;
  layer_result (*run_layer)(layer_case const& data, layer_setup const& setup);
  demo_outcomes (*run_demo)(demo_input const& input, std::vector<any_planner> const& planners,
                            demo_progress const& progress);
  train::history (*run_training)(train::setup const& how, std::vector<std::uint8_t> const& text,
                                 any_planner const& planner, train::progress const& tell);
};

[[nodiscard]] host_kernel loops_host_kernel();
/// Those that are built in: `loops` first, the fastest last.
[[nodiscard]] std::vector<host_kernel> host_kernels();
/// Their names, for a message.
[[nodiscard]] std::string host_kernel_names();
/// The one that --kernel names.
/// @throws input_error if it isn't built in
[[nodiscard]] host_kernel find_host_kernel(std::string const& name);

/// --kernel, kept in `value`, which holds the default. What isn't built in is refused where it is
/// looked up.
CLI::Option* add_kernel_option(CLI::App& to, std::string& value);

}  // namespace llep::tool
