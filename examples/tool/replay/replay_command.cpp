// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "../commands.hpp"
#include "../input_error.hpp"
#include "../limits.hpp"
#include "../options.hpp"
#include "../page/replay_page.hpp"
#include "../write_file.hpp"
#include "load_trace.hpp"
#include "replay_json.hpp"
#include "replay_report.hpp"
#include "replay_run.hpp"

namespace llep::tool {
namespace {

struct replay_options {
  std::string path;
  std::int64_t ranks = 0;
  std::vector<std::string> planners;
  planner_choice common;
  std::int64_t scale = 1;
  std::int64_t experts = 0;  // 0: not given
  bool json = false;
  std::string html;
};

bool is_planner(std::string const& word) {
  return std::find(planner_names.begin(), planner_names.end(), word) != planner_names.end();
}

// What the parser can't know.
void settle(replay_options& chosen) {
  // --planner takes all words up to the next option, so TRACE too where it comes after them
  if (chosen.path.empty() && !chosen.planners.empty() && !is_planner(chosen.planners.back())) {
    chosen.path = chosen.planners.back();
    chosen.planners.pop_back();
  }
  if (chosen.path.empty()) throw input_error("TRACE: must be given, and not empty");
  if (chosen.planners.empty()) chosen.planners.push_back(chosen.common.name);
  check_words("--planner", chosen.planners, planner_names);
}

replay_setup setup_of(replay_options const& chosen) {
  replay_setup setup;
  setup.ranks = static_cast<std::int32_t>(chosen.ranks);
  setup.scale = chosen.scale;
  setup.common = chosen.common;
  for (std::string const& name : chosen.planners) {
    auto one = chosen.common;
    one.name = name;
    setup.planners.push_back({name, make_planner(one)});
  }
  return setup;
}

void run_replay(replay_options chosen) {
  settle(chosen);
  std::optional<std::int32_t> experts;
  if (chosen.experts > 0) experts = static_cast<std::int32_t>(chosen.experts);
  auto const trace = read_load_trace(chosen.path, experts);
  auto const setup = setup_of(chosen);
  if (!chosen.html.empty()) check_writable(chosen.html);
  auto const result = replay(trace, setup);
  auto const text =
      chosen.json ? replay_json(trace, setup, result) : replay_report(trace, setup, result);
  if (!chosen.html.empty()) write_file(chosen.html, replay_page(trace, setup, result));
  if (!trace.experts_said)
    std::cerr << "llep: note: --experts isn't given, so there are " << trace.experts
              << " of them: the largest id seen, and one\n";
  std::cout << text;
}

void add_choices(CLI::App& to, replay_options& chosen) {
  add_whole(to, "--ranks", chosen.ranks, 1, most_ranks_or_experts, "ranks to plan for")->required();
  add_words(to, "--planner", chosen.planners, planner_names,
            "who plans; several are compared [least_loaded]");
  add_threshold_option(to, chosen.common);
  add_capacity_options(to, chosen.common);
  add_whole(to, "--scale", chosen.scale, 1, std::numeric_limits<std::int64_t>::max(),
            "multiplies all counts [1]");
  add_whole(to, "--experts", chosen.experts, 1, most_trace_axis,
            "experts, where the trace doesn't say it\n[the largest id seen, and one]");
  to.add_flag("--json", chosen.json, "print one JSON object instead of a report");
}

}  // namespace

void add_replay_command(CLI::App& program) {
  auto* const command =
      program.add_subcommand("replay", "Plan every step and layer of a recorded trace");
  command->footer(
      "TRACE is a .csv file as in examples/data, or a router trace of Megatron-LM: a file\n"
      "router_trace_rank0.jsonl, several of them in one, or the directory that holds them.\n"
      "--threshold is also where the report counts loads as uneven [1.3]. Planning time: the\n"
      "fastest of three calls on one core.");
  auto const chosen = std::make_shared<replay_options>();
  command->add_option("TRACE", chosen->path, "recorded expert loads")
      ->type_name("FILE|DIRECTORY REQUIRED");
  add_choices(*command, *chosen);
  add_html_option(*command, chosen->html);
  command->callback([chosen] { run_replay(*chosen); });
}

}  // namespace llep::tool
