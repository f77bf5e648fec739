// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>
#include <CLI/CLI.hpp>

#include "commands.hpp"
#include "engine.hpp"
#include "input_error.hpp"
#include "options.hpp"
#include "page/train_page.hpp"
#include "train/text.hpp"
#include "train_report.hpp"
#include "write_file.hpp"

namespace llep::tool {
namespace {

struct train_options {
  train::setup how;
  std::int64_t ranks = how.ranks;
  std::int64_t seed = 1;
  chunk_rows min_tokens = 16;
  std::string text = train::debian_licences;
  std::string kernel = fastest_kernel();
  std::string html;
};

std::vector<std::uint8_t> text_of(train_options const& chosen) {
  std::vector<std::uint8_t> text;
  try {
    text = train::read_text(chosen.text);
  } catch (std::exception const& e) {
    throw input_error("--text: " + std::string(e.what()));
  }
  if (std::ssize(text) <= chosen.how.window)
    throw input_error("--text: " + shown(chosen.text, 200) + ": needs more than " +
                      std::to_string(chosen.how.window) + " bytes");
  return text;
}

// On a terminal only: a log file is no place for it.
void show_progress(char const* mode, std::int64_t step, std::int64_t steps) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::cerr << '\r' << mode << ", step " << step + 1 << " of " << steps << "    " << std::flush;
  if (step + 1 == steps) std::cerr << "\r                              \r" << std::flush;
}

int run_train_command(train_options chosen) {
  auto const kernel = find_engine(default_backend, chosen.kernel);
  auto const text = text_of(chosen);
  if (!chosen.html.empty()) check_writable(chosen.html);
  chosen.how.ranks = static_cast<std::int32_t>(chosen.ranks);
  chosen.how.seed = static_cast<std::uint64_t>(chosen.seed);
  auto const run = [&](char const* mode, any_planner const& planner) {
    return kernel.run_training(chosen.how, text, planner,
                               [&](std::int64_t step, train::step_facts const&) {
                                 show_progress(mode, step, chosen.how.steps);
                               });
  };
  train_comparison both{
      chosen.how, chosen.text, std::ssize(text), kernel.kernel, chosen.min_tokens.value(), {}, {}};
  both.ep = run("EP", {standard_ep{}});
  both.llep = run("LLEP", {least_loaded{1.0, chosen.min_tokens}});
  if (!chosen.html.empty()) write_file(chosen.html, train_page(both));
  write_train_report(std::cout, both);
  return train_summary(both).agrees() ? 0 : 1;
}

}  // namespace

void add_train_command(CLI::App& program, int& exit_code) {
  auto* const command = program.add_subcommand(
      "train", "Train a small MoE language model under EP and under LLEP, and compare");
  auto const chosen = std::make_shared<train_options>();
  add_whole(*command, "--ranks", chosen->ranks, 1, 64, "emulated ranks [8]");
  add_whole(*command, "--steps", chosen->how.steps, 1, 1'000'000, "steps [250]");
  add_whole(*command, "--seed", chosen->seed, 0, 1'000'000'000, "of model and text [1]");
  add_min_tokens_option(*command, chosen->min_tokens);
  add_path(*command, "--text", chosen->text,
           "a file, or a folder of files, to learn from; subfolders\nand links in it are left out")
      ->type_name("PATH");
  add_kernel_option(*command, chosen->kernel);
  add_training_options(*command, chosen->how.keep);
  add_html_option(*command, chosen->html);
  command->callback([chosen, &exit_code] { exit_code = run_train_command(*chosen); });
}

}  // namespace llep::tool
