// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>
#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "demo_report.hpp"
#include "demo_run.hpp"
#include "engine.hpp"
#include "layer_judge.hpp"
#include "options.hpp"
#include "page/demo_page.hpp"
#include "routing_trace.hpp"
#include "write_file.hpp"

namespace llep::tool {
namespace {

// Among them the most even and the most uneven ones.
std::vector<std::int64_t> const shown_layers{5, 8, 9, 12, 14, 19};

void compare_outputs(bool exact, demo_comparison& both) {
  both.identical = true;
  for (std::size_t n = 0; n < both.ep.size(); ++n) {
    auto const& expected = both.ep[n].out;
    auto const& got = both.llep[n].out;
    both.difference = std::max(both.difference, scaled_error(expected, got));
    if (std::memcmp(expected.data(), got.data(), got.size() * sizeof(float)) != 0)
      both.identical = false;
  }
  both.agrees =
      both.identical || (!exact && both.difference <= tolerance(element::f32, element::f32));
}

// An expert's weights are as many bytes as 3 F rows, so a chunk that is worth them is of that size;
// with many ranks a finer one evens out better, and a step this small has little to lose.
row_count smallest_chunk(demo_input const& input) {
  return std::clamp<row_count>(input.rows() / input.ranks / 16, 1, 3 * input.inner);
}

// On a terminal only: a log file is no place for it.
void show_progress(std::size_t layer, std::size_t layers) {
  if (isatty(STDERR_FILENO) == 0) return;
  if (layer < layers)
    std::cerr << "\rlayer " << layer + 1 << " of " << layers << std::flush;
  else
    std::cerr << "\r                    \r" << std::flush;
}

struct demo_options {
  std::int64_t ranks = 8;
  std::int64_t layers = std::ssize(shown_layers);
  std::string backend = default_backend;
  std::string kernel{};
  std::string html{};
};

int run_demo_command(demo_options const& chosen) {
  bool const emulated = chosen.backend == default_backend;
  auto const on = find_engine(chosen.backend,
                              emulated && chosen.kernel.empty() ? fastest_kernel() : chosen.kernel);
  auto const session = on.start(chosen.ranks);
  bool const writes_page = !chosen.html.empty() && on.prints();
  if (writes_page) check_writable(chosen.html);
  auto const trace = read_routing_trace(LLEP_EXAMPLE_DATA_DIR "/dsv2lite-law.csv");
  auto const input =
      make_demo_input(trace, {shown_layers.end() - chosen.layers, shown_layers.end()},
                      static_cast<std::int32_t>(chosen.ranks));
  row_count const min_tokens = smallest_chunk(input);
  auto const layers = input.layers.size();
  auto outcomes = on.run_demo(input, {{standard_ep{}}, {least_loaded{1.0, min_tokens}}},
                              [layers](std::size_t n) { show_progress(n, layers); });
  show_progress(layers, layers);
  demo_comparison both{&trace,
                       &input,
                       min_tokens,
                       on.ranks + (on.takes_turns ? ", one running at a time" : ""),
                       on.kernel,
                       on.clock,
                       std::move(outcomes[0]),
                       std::move(outcomes[1])};
  compare_outputs(on.exact, both);
  if (writes_page) write_file(chosen.html, demo_page(both));
  write_demo_report(std::cout, both);
  return both.agrees ? 0 : 1;
}

}  // namespace

void add_demo_command(CLI::App& program, int& exit_code) {
  auto* const command = program.add_subcommand(
      "demo", "Recorded routing on emulated ranks, with and without least-loaded planning");
  auto const chosen = std::make_shared<demo_options>();
  add_whole(*command, "--ranks", chosen->ranks, 1, 64, "ranks [8]");
  add_whole(*command, "--layers", chosen->layers, 1, chosen->layers,
            "recorded layers to run, the last of six [6]");
  add_backend_option(*command, chosen->backend);
  add_kernel_option(*command, chosen->kernel);
  add_html_option(*command, chosen->html);
  command->callback([chosen, &exit_code] { exit_code = run_demo_command(*chosen); });
}

}  // namespace llep::tool
