// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "support/run_tool.hpp"

namespace {

using llep::testing::lines_of;
using llep::testing::run_tool;

}  // namespace

TEST_CASE("program: every command has help, and the program a version", "[tool]") {
  CHECK(run_tool({"--version"}).out == "llep 0.1.0\n");
  CHECK(run_tool({"--help"}).exit_code == 0);
  for (std::string const command : {"demo", "layer", "plan", "replay", "train"}) {
    auto const run = run_tool({command, "--help"});
    CHECK(run.exit_code == 0);
    CHECK(run.out.find("Usage: llep " + command) != std::string::npos);
    for (auto const& line : lines_of(run.out)) CHECK(line.size() <= 100);
  }
}

TEST_CASE("program: output that can't be written is an error", "[tool]") {
  for (std::string const command : {"--help", "plan"}) {
    llep::testing::tool_start start{{command}, ""};
    start.input = R"({"id":"a","num_experts":1,"num_ranks":1,"alpha":1,"min_tokens_per_gemm":1,)"
                  R"("loads":[1]})";
    start.output_to = "/dev/full";
    auto const run = run_tool(start);
    CHECK(run.exit_code == 1);
    CHECK(run.err == "llep: standard output can't be written\n");
  }
}
