// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "support/run_tool.hpp"
#include "support/sanitizers.hpp"

namespace {

using llep::testing::lines_of;
using llep::testing::run_tool;

bool plain(std::string const& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

}  // namespace

TEST_CASE("demo: proves the outputs equal, in plain text when it is piped", "[tool]") {
  std::string const layers = llep::testing::sanitized ? "1" : "6";
  auto const run = run_tool({"demo", "--layers", layers});
  CHECK(run.exit_code == 0);
  CHECK(run.err.empty());
  CHECK(plain(run.out));
  CHECK(run.out.find("bit-identical in every layer") != std::string::npos);
  for (auto const& line : lines_of(run.out)) CHECK(line.size() <= 100);
}

TEST_CASE("demo: computes with plain loops too", "[tool]") {
  auto const run = run_tool({"demo", "--layers", "1", "--kernel", "loops"});
  CHECK(run.exit_code == 0);
  CHECK(run.out.find("kernel loops") != std::string::npos);
  CHECK(run.out.find("bit-identical in every layer") != std::string::npos);
}

TEST_CASE("demo: takes rank counts that divide nothing", "[tool]") {
  auto const run = run_tool({"demo", "--ranks", "23", "--layers", "1"});
  CHECK(run.exit_code == 0);
  CHECK(run.out.find("of all 23 ranks") != std::string::npos);
}
