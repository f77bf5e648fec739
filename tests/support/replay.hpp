// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/run_tool.hpp"

namespace llep::testing {

/// A small trace: two steps of layers 3 and 7, four experts, counts from two source ranks. The
/// loads are 70 10 10 10, then 10 10 10 10, then nothing, then 0 0 0 60.
inline std::string const small_trace =
    "# moe-load-trace 1\n# name: small\n# experts: 4\n# steps: 2\n# layers: 2\n"
    "# layer_ids: 3 7\n# src_ranks: 2\n"
    "0,3,0,30,5,3,2\n0,3,1,40,5,7,8\n0,7,0,5,5,5,5\n0,7,1,5,5,5,5\n"
    "1,3,0,0,0,0,0\n1,3,1,0,0,0,0\n1,7,0,0,0,0,40\n1,7,1,0,0,0,20\n";

/// `text` with its first `what` replaced.
inline std::string replaced(std::string text, std::string const& what, std::string const& by) {
  auto const at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

/// The program's `replay` of a file.
inline tool_run replay_file(std::string const& path, std::vector<std::string> options) {
  options.insert(options.begin(), {"replay", path});
  return run_tool(options);
}

/// The program's `replay` of a text in a file trace.csv.
inline tool_run replay_text(std::string const& text, std::vector<std::string> const& options) {
  scratch_directory const directory;
  write_text(directory / "trace.csv", text);
  return replay_file((directory / "trace.csv").string(), options);
}

/// What --json prints for a run that must succeed.
inline nlohmann::json json_of(tool_run const& run) {
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  return nlohmann::json::parse(run.out);
}

/// A column of the JSON rows.
template <class T>
std::vector<T> column(nlohmann::json const& rows, std::string const& key) {
  std::vector<T> values;
  for (auto const& row : rows) values.push_back(row.at(key).get<T>());
  return values;
}

/// The rows of a trace's .csv, read with none of the program's code.
inline std::vector<std::vector<std::int64_t>> csv_rows(std::string const& text) {
  std::vector<std::vector<std::int64_t>> rows;
  for (auto const& line : lines_of(text)) {
    if (line.starts_with('#')) continue;
    rows.emplace_back();
    std::istringstream in(line);
    for (std::string value; std::getline(in, value, ',');) rows.back().push_back(std::stoll(value));
  }
  return rows;
}

}  // namespace llep::testing
