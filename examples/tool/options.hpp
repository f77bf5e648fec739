// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llep/workspace.hpp>

#include "planner_choice.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace llep::tool {

// Options whose values are checked here and not by CLI11, so that every message says what is
// allowed. All throw input_error naming the option while the command line is parsed.

/// A whole number from `least` to `most`, kept in `value`, which holds the default.
CLI::Option* add_whole(CLI::App& to, std::string const& name, std::int64_t& value,
                       std::int64_t least, std::int64_t most, std::string const& text);

/// One of `allowed`, kept in `value`, which holds the default.
CLI::Option* add_word(CLI::App& to, std::string const& name, std::string& value,
                      std::span<std::string_view const> allowed, std::string const& text);

/// Any of `allowed`, each at most once, kept in `values` in the order given: --name A B --name C.
/// It takes all words up to the next option and doesn't look at them: `check_words` does.
CLI::Option* add_words(CLI::App& to, std::string const& name, std::vector<std::string>& values,
                       std::span<std::string_view const> allowed, std::string const& text);
/// @throws input_error naming the option and what is unknown or named twice
void check_words(std::string const& option, std::span<std::string const> values,
                 std::span<std::string_view const> allowed);

/// A path, kept in `path`, which holds the default; refused if it is given empty.
CLI::Option* add_path(CLI::App& to, std::string const& name, std::string& path,
                      std::string const& text);

/// --html: where to write a page, too; empty if it isn't given, and refused if it is given empty.
CLI::Option* add_html_option(CLI::App& to, std::string& path);

/// --recompute, --lend-again and --resend-outputs: what forward doesn't keep for backward.
void add_training_options(CLI::App& to, training& keep);

/// --planner and --threshold.
void add_planner_options(CLI::App& to, planner_choice& chosen);
/// --threshold alone.
void add_threshold_option(CLI::App& to, planner_choice& chosen);
/// --alpha and --min-tokens, where the input doesn't bring them.
void add_capacity_options(CLI::App& to, planner_choice& chosen);
/// --min-tokens alone; `least` holds the default.
void add_min_tokens_option(CLI::App& to, chunk_rows& least);

}  // namespace llep::tool
