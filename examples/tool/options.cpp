// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <system_error>

#include <CLI/CLI.hpp>

#include "input_error.hpp"

namespace llep::tool {
namespace {

template <class Number>
std::optional<Number> read_number(std::string const& text) {
  Number number{};
  char const* const end = text.data() + text.size();
  auto const [stop, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc{} || stop != end) return std::nullopt;
  return number;
}

[[noreturn]] void refuse(std::string const& option, std::string const& rule,
                         std::string const& value) {
  throw input_error(option + ": must be " + rule + ", not " +
                    (value.empty() ? "empty" : shown(value)));
}

std::string joined(std::span<std::string_view const> words) {
  std::string all;
  for (std::string_view const word : words) all += (all.empty() ? "" : ", ") + std::string(word);
  return all;
}

// The text of an option that takes one of `allowed`.
std::string with_words(std::string const& text, std::span<std::string_view const> allowed) {
  auto const all = joined(allowed);
  constexpr std::size_t width = 65;  // what the help leaves for a text
  return text + (text.size() + 2 + all.size() <= width ? ": " : ":\n") + all;
}

/// A finite number that `ok` accepts.
template <class Ok, class Keep>
void add_number(CLI::App& to, std::string const& name, std::string const& rule, Ok ok, Keep keep,
                std::string const& text) {
  auto const read = [=](std::string const& value) {
    auto const number = read_number<double>(value);
    if (!number || !std::isfinite(*number) || !ok(*number)) refuse(name, rule, value);
    keep(*number);
  };
  to.add_option_function<std::string>(name, read, text)->type_name("X");
}

}  // namespace

CLI::Option* add_whole(CLI::App& to, std::string const& name, std::int64_t& value,
                       std::int64_t least, std::int64_t most, std::string const& text) {
  std::string const rule =
      most == std::numeric_limits<std::int64_t>::max()
          ? "a whole number of at least " + std::to_string(least)
          : "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  auto const read = [name, rule, least, most, &value](std::string const& given) {
    auto const number = read_number<std::int64_t>(given);
    if (!number || *number < least || *number > most) refuse(name, rule, given);
    value = *number;
  };
  return to.add_option_function<std::string>(name, read, text)->type_name("N");
}

CLI::Option* add_word(CLI::App& to, std::string const& name, std::string& value,
                      std::span<std::string_view const> allowed, std::string const& text) {
  auto const read = [name, allowed, &value](std::string const& given) {
    if (std::find(allowed.begin(), allowed.end(), given) == allowed.end())
      refuse(name, (allowed.size() > 1 ? "one of " : "") + joined(allowed), given);
    value = given;
  };
  return to.add_option_function<std::string>(name, read, with_words(text, allowed))
      ->type_name("NAME")
      ->default_str(value);
}

CLI::Option* add_words(CLI::App& to, std::string const& name, std::vector<std::string>& values,
                       std::span<std::string_view const> allowed, std::string const& text) {
  return to.add_option(name, values, with_words(text, allowed))->type_name("NAME");
}

void check_words(std::string const& option, std::span<std::string const> values,
                 std::span<std::string_view const> allowed) {
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (std::find(allowed.begin(), allowed.end(), *value) == allowed.end())
      refuse(option, "one of " + joined(allowed), *value);
    if (std::find(values.begin(), value, *value) != value)
      throw input_error(option + ": " + shown(*value) + " is named twice");
  }
}

CLI::Option* add_path(CLI::App& to, std::string const& name, std::string& path,
                      std::string const& text) {
  auto const keep = [name, &path](std::string const& given) {
    if (given.empty()) throw input_error(name + ": must not be empty");
    path = given;
  };
  return to.add_option_function<std::string>(name, keep, text)->default_str(path);
}

CLI::Option* add_html_option(CLI::App& to, std::string& path) {
  return add_path(to, "--html", path, "write it as a page, too")->type_name("FILE");
}

void add_training_options(CLI::App& to, training& keep) {
  to.add_flag("--recompute", keep.recompute, "activations in backward; don't keep them");
  to.add_flag("--lend-again", keep.lend_again, "weights in backward; don't keep lent ones");
  to.add_flag("--resend-outputs", keep.resend_outputs, "in backward; don't keep them at home");
}

void add_planner_options(CLI::App& to, planner_choice& chosen) {
  add_word(to, "--planner", chosen.name, planner_names, "who computes which rows");
  add_threshold_option(to, chosen);
}

void add_threshold_option(CLI::App& to, planner_choice& chosen) {
  add_number(
      to, "--threshold", "a finite number of at least 1", [](double x) { return x >= 1; },
      [&chosen](double x) { chosen.threshold = imbalance_threshold(x); },
      "plan only where the busiest rank has X times the mean;\nelse standard_ep");
}

void add_capacity_options(CLI::App& to, planner_choice& chosen) {
  add_number(
      to, "--alpha", "a finite number greater than 0", [](double x) { return x > 0; },
      [&chosen](double x) { chosen.alpha = capacity_factor(x); },
      "rows a rank may be given, as a multiple of the mean [1]");
  add_min_tokens_option(to, chosen.min_tokens);
}

void add_min_tokens_option(CLI::App& to, chunk_rows& least) {
  auto const read = [&least](std::string const& given) {
    auto const rows = read_number<std::int64_t>(given);
    if (!rows || *rows < 0) refuse("--min-tokens", "a whole number of at least 0", given);
    least = chunk_rows(*rows);
  };
  to.add_option_function<std::string>(
        "--min-tokens", read,
        "rows that a chunk lent has at least, while there are so\nmany and room for them; what is "
        "left is lent all the same\n[" +
            std::to_string(least.value()) + "]")
      ->type_name("M");
}

}  // namespace llep::tool
