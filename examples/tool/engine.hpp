// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "demo_run.hpp"
#include "layer_case_data.hpp"
#include "layer_run.hpp"
#include "train/training_run.hpp"

namespace CLI {
class App;
}  // namespace CLI

namespace llep::tool {

/// A backend with one of its kernels: what the ranks are, and what computes their experts. Each
/// rank sees the weights of its own experts only. The functions throw llep::error as the library
/// does.
struct engine {
  std::string backend;
  std::string kernel;
  std::string ranks;           ///< what they are, in words
  bool takes_turns = false;    ///< ranks can be run one at a time
  std::string clock;           ///< whose time the demo takes: CPU or GPU
  bool exact = true;           ///< a row's result is the same bits whatever rows are beside it
  bool (*prints)() = nullptr;  ///< whether this process is the one that writes the result
  /// Gets the backend going for so many ranks, before input is read; it goes on until the result is
  /// destroyed. @throws input_error
  std::shared_ptr<void> (*start)(std::int64_t ranks);
  layer_result (*run_layer)(layer_case const& data, layer_setup const& setup);
  demo_outcomes (*run_demo)(demo_input const& input, std::vector<any_planner> const& planners,
                            demo_progress const& progress);
  /// Null where only layers can be run.
  train::history (*run_training)(train::setup const& how, std::vector<std::uint8_t> const& text,
                                 any_planner const& planner, train::progress const& tell) = nullptr;
};

/// Those that are built in: emulated ranks first, a backend's own kernel before its others. Written
/// by CMake.
[[nodiscard]] std::vector<engine> engines();

inline constexpr char const* default_backend = "emulated";

/// The one that --backend and --kernel name; without a kernel the backend's own.
/// @throws input_error if it isn't built in
[[nodiscard]] engine find_engine(std::string const& backend, std::string const& kernel);
/// The fastest kernel on emulated ranks, which is the last of them in the list.
[[nodiscard]] std::string fastest_kernel();

/// --backend and --kernel, kept in the values, which hold the defaults. What isn't built in is
/// refused where it is looked up.
void add_backend_option(CLI::App& to, std::string& value);
void add_kernel_option(CLI::App& to, std::string& value);

}  // namespace llep::tool
