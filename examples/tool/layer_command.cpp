// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "commands.hpp"
#include "engine.hpp"
#include "input_error.hpp"
#include "layer_case.hpp"
#include "layer_judge.hpp"
#include "layer_run.hpp"
#include "options.hpp"

namespace llep::tool {
namespace {

constexpr std::array<std::string_view, 2> row_orders{"global", "local"};
constexpr std::array<std::string_view, 2> dtypes{"f32", "f64"};
constexpr std::array<std::string_view, 2> schedulers{"concurrent", "turns"};

struct layer_options {
  std::string path;
  std::int64_t ranks = 0;
  std::string backend = default_backend;
  planner_choice planner;
  std::string row_order = "global";
  std::string dtype = "f32";
  std::string kernel;
  std::string scheduler = "concurrent";
  std::int64_t seed = 0;
  std::int64_t repeats = 1;
  training keep{};
};

layer_setup setup_of(layer_options const& chosen) {
  layer_setup setup;
  setup.ranks = static_cast<std::int32_t>(chosen.ranks);
  setup.planner = make_planner(chosen.planner);
  if (chosen.row_order == "local") setup.order = {local_first{}};
  if (chosen.dtype == "f64") setup.computing_in = element::f64;
  if (chosen.scheduler == "turns") setup.schedule.how = emulated::scheduling::turns;
  setup.schedule.seed = static_cast<std::uint64_t>(chosen.seed);
  setup.repeats = chosen.repeats;
  setup.keep = chosen.keep;
  return setup;
}

// The errors of all expected arrays. Says what is missed.
bool judge(layer_case const& data, layer_result const& result, element computing_in,
           nlohmann::ordered_json& errors) {
  bool pass = true;
  for (auto const& name : data.expected_names()) {
    auto const& expected = data.array(name);
    double const error = scaled_error(expected.values, result.arrays.at(name));
    double const accepted = tolerance(computing_in, expected.type);
    errors[name] = error;
    if (error <= accepted) continue;
    pass = false;
    std::cerr << "llep: " << name << ": scaled error " << error << " is above " << accepted << '\n';
  }
  if (result.odd_step != 0) {
    pass = false;
    std::cerr << "llep: --repeat: step " << result.odd_step
              << " gives other bits than the first one\n";
  }
  return pass;
}

int run_layer_command(layer_options const& chosen) {
  auto const on = find_engine(chosen.backend, chosen.kernel);
  auto const session = on.start(chosen.ranks);
  if (chosen.scheduler != schedulers.front() && !on.takes_turns)
    throw input_error("--scheduler: the ranks of backend " + on.backend + " don't take turns");
  auto const data = read_layer_case(chosen.path);
  auto const setup = setup_of(chosen);
  auto const result = on.run_layer(data, setup);
  nlohmann::ordered_json errors;
  bool const pass = judge(data, result, setup.computing_in, errors);
  nlohmann::ordered_json const report{{"case", data.id},
                                      {"backend", chosen.backend},
                                      {"ranks", chosen.ranks},
                                      {"planner", chosen.planner.name},
                                      {"dtype", chosen.dtype},
                                      {"kernel", on.kernel},
                                      {"pass", pass},
                                      {"moves", result.moves},
                                      {"spilled_rows", result.spilled_rows},
                                      {"max_error", errors},
                                      {"peak_bytes", result.peak_bytes}};
  std::cout << report.dump() << '\n';
  return pass ? 0 : 1;
}

void add_choices(CLI::App& to, layer_options& chosen) {
  add_backend_option(to, chosen.backend);
  add_planner_options(to, chosen.planner);
  add_capacity_options(to, chosen.planner);
  add_word(to, "--row-order", chosen.row_order, row_orders, "which rows a span gets");
  add_word(to, "--dtype", chosen.dtype, dtypes, "computing in");
  add_kernel_option(to, chosen.kernel);
  add_training_options(to, chosen.keep);
  add_word(to, "--scheduler", chosen.scheduler, schedulers, "how ranks share the machine");
  constexpr auto largest = std::numeric_limits<std::int64_t>::max();
  add_whole(to, "--seed", chosen.seed, 0, largest, "of --scheduler turns [0]");
  add_whole(to, "--repeat", chosen.repeats, 1, largest, "steps through one dispatcher [1]");
}

}  // namespace

void add_layer_command(CLI::App& program, int& exit_code) {
  auto* const command = program.add_subcommand(
      "layer", "Run a golden layer case on several ranks and judge the result; prints JSON");
  command->footer(
      "peak_bytes: by rank, the workspace and what forward keeps for backward: rows, lent weights\n"
      "and scratch, not the rank's own weights. max_error: by array, scaled.");
  auto const chosen = std::make_shared<layer_options>();
  command->add_option("CASE", chosen->path, "header of the case, NAME.json")
      ->required()
      ->type_name("FILE");
  add_whole(*command, "--ranks", chosen->ranks, 1, emulated::most_ranks, "ranks to run on")
      ->required();
  add_choices(*command, *chosen);
  command->callback([chosen, &exit_code] {
    if (chosen->path.empty()) throw input_error("CASE: must not be empty");
    exit_code = run_layer_command(*chosen);
  });
}

}  // namespace llep::tool
