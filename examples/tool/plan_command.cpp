// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "options.hpp"
#include "plan_line.hpp"
#include "plan_problem.hpp"
#include "read_file.hpp"

namespace llep::tool {
namespace {

// All of the input is read, and all of the output made, before any of it is written: what goes
// wrong leaves standard output empty.
void run_plan(planner_choice chosen) {
  auto const problems = read_plan_problems(read_all(stdin, "stdin"), "stdin");
  std::string lines;
  plan_writer writer(lines);
  any_planner::memory memory;
  plan made;
  for (plan_problem const& p : problems) {
    chosen.alpha = p.alpha;
    chosen.min_tokens = p.min_tokens;
    make_planner(chosen).plan(p.as_problem(), memory, made);
    writer.write(p.id, chosen.name, p.as_problem(), made);
  }
  std::cout << lines;
}

}  // namespace

void add_plan_command(CLI::App& program) {
  auto* const command = program.add_subcommand(
      "plan", "Plan problems, JSON lines on standard input; prints JSON lines");
  command->footer(
      "A line in:  {\"id\", \"num_experts\", \"num_ranks\", \"alpha\", \"min_tokens_per_gemm\",\n"
      "             \"loads\": [rows of each expert], \"owners\": [rank of each expert]}\n"
      "            owners may be left out: then contiguous blocks, as even as possible\n"
      "A line out: {\"id\", \"planner\", \"assignments\": {expert: [[rank, begin, end], ...]},\n"
      "             \"transfers\": [[expert, from, to, begin, end], ...], \"rank_loads\": [...]}");
  auto const chosen = std::make_shared<planner_choice>();
  add_planner_options(*command, *chosen);
  command->callback([chosen] { run_plan(*chosen); });
}

}  // namespace llep::tool
