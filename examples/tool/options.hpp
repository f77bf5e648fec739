// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

/// --planner and --threshold.
void add_planner_options(CLI::App& to, planner_choice& chosen);
/// --alpha and --min-tokens, where the input doesn't bring them.
void add_capacity_options(CLI::App& to, planner_choice& chosen);

}  // namespace llep::tool
