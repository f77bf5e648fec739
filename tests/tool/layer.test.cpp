// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "support/run_tool.hpp"

namespace {

using llep::testing::lines_of;
using llep::testing::read_text;
using llep::testing::run_tool;
using llep::testing::scratch_directory;
using llep::testing::write_text;
using nlohmann::json;

std::string const cases = LLEP_TEST_DATA_DIR "/moe_layer/";

json report_of(std::vector<std::string> options) {
  options.insert(options.begin(), "layer");
  auto const run = run_tool(options);
  CAPTURE(run.err);
  REQUIRE(run.exit_code == 0);
  REQUIRE(lines_of(run.out).size() == 1);
  return json::parse(run.out);
}

std::set<std::string> names(json const& object) {
  std::set<std::string> all;
  for (auto const& [name, value] : object.items()) all.insert(name);
  return all;
}

// A copy of a case whose data was changed.
struct changed_case {
  scratch_directory directory;
  std::string path = (directory / "case.json").string();

  // Puts `value` at the beginning of an array.
  template <class T>
  changed_case(std::string const& original, std::string const& array, T value) {
    auto header = json::parse(read_text(cases + original + ".json"));
    auto data = read_text(cases + original + ".bin");
    for (json const& a : header["arrays"])
      if (a["name"] == array)
        std::memcpy(data.data() + a["offset"].get<std::size_t>(), &value, sizeof value);
    header["data_file"] = "data.bin";
    write_text(path, header.dump());
    write_text(directory / "data.bin", data);
  }
};

}  // namespace

TEST_CASE("layer: tells all that it promises, and nothing else", "[tool]") {
  auto const report =
      report_of({cases + "gptoss_06_uneven_ranks.json", "--ranks", "4", "--min-tokens", "1"});
  CHECK(names(report) == std::set<std::string>{"case", "backend", "ranks", "planner", "dtype",
                                               "kernel", "pass", "moves", "spilled_rows",
                                               "max_error", "peak_bytes"});
  CHECK(report["case"] == "gptoss_06_uneven_ranks");
  CHECK(report["backend"] == "emulated");
  CHECK(report["ranks"] == 4);
  CHECK(report["planner"] == "least_loaded");
  CHECK(report["dtype"] == "f32");
  CHECK(report["kernel"] == "loops");
  CHECK(report["pass"] == true);
  CHECK(report["moves"] > 0);
  CHECK(report["spilled_rows"] > 0);
  CHECK(report["peak_bytes"].size() == 4);
  CHECK(names(report["max_error"]) == std::set<std::string>{"out", "grad_hidden", "grad_weights",
                                                            "grad_gate_up", "grad_gate_up_bias",
                                                            "grad_down", "grad_down_bias"});
  for (auto const& [name, error] : report["max_error"].items()) {
    CAPTURE(name);
    CHECK(error < 5e-6);
  }
}

TEST_CASE("layer: what forward keeps for backward changes memory alone", "[tool]") {
  std::vector<std::string> const plain{
      cases + "gptoss_14_medium_hot.json", "--ranks", "4", "--min-tokens", "1", "--dtype", "f64"};
  auto const with = [&](std::string const& flag) {
    auto options = plain;
    options.push_back(flag);
    return report_of(options);
  };
  auto const kept = report_of(plain);
  for (std::string const flag : {"--recompute", "--lend-again", "--resend-outputs"}) {
    CAPTURE(flag);
    CHECK(with(flag)["max_error"] == kept["max_error"]);
  }
  CHECK(with("--recompute")["peak_bytes"] < kept["peak_bytes"]);  // the others help elsewhere
}

TEST_CASE("layer: every way to run a case passes", "[tool]") {
  for (std::string const name : {"swiglu_04_uneven_ranks", "gptoss_12_repeated_choice",
                                 "swiglu_10_medium_hot", "gptoss_08_one_token"})
    for (std::string const order : {"global", "local"})
      for (std::string const dtype : {"f32", "f64"})
        for (std::string const scheduler : {"concurrent", "turns"}) {
          auto const report = report_of({cases + name + ".json", "--ranks", "8", "--min-tokens",
                                         "1", "--row-order", order, "--dtype", dtype, "--scheduler",
                                         scheduler, "--seed", "3", "--repeat", "3"});
          CHECK(report["pass"] == true);
          CHECK(report["dtype"] == dtype);
        }
}

TEST_CASE("layer: the planner decides what moves", "[tool]") {
  auto const hot = cases + "swiglu_02_one_hot_expert.json";
  auto const moves = [&](std::vector<std::string> const& more) {
    std::vector<std::string> options{hot, "--ranks", "4"};
    options.insert(options.end(), more.begin(), more.end());
    return report_of(options)["moves"].get<std::int64_t>();
  };
  CHECK(moves({"--planner", "standard_ep"}) == 0);
  CHECK(moves({"--min-tokens", "1", "--threshold", "4.01"}) == 0);
  CHECK(moves({"--min-tokens", "1", "--threshold", "1.3"}) > 0);
  CHECK(moves({"--min-tokens", "1", "--alpha", "4"}) == 0);
  CHECK(moves({"--min-tokens", "1", "--planner", "least_loaded_paper"}) > 0);
  CHECK(moves({"--min-tokens", "1", "--planner", "least_loaded_reference"}) > 0);
}

TEST_CASE("layer: what was expected and isn't there ends with 1 and says so", "[tool]") {
  changed_case const wrong("swiglu_01_tiny_balanced", "out", 1e3);
  auto const run = run_tool({"layer", wrong.path, "--ranks", "2"});
  CHECK(run.exit_code == 1);
  auto const report = json::parse(run.out);
  CHECK(report["pass"] == false);
  CHECK(report["max_error"]["out"] > 0.5);
  CHECK(run.err.find("out: scaled error") != std::string::npos);
}

TEST_CASE("layer: a gradient that isn't the expected one is told by name", "[tool]") {
  for (std::string const name : {"grad_hidden", "grad_weights", "grad_up"}) {
    changed_case const wrong("swiglu_01_tiny_balanced", name, 1e3);
    auto const run = run_tool({"layer", wrong.path, "--ranks", "2"});
    CHECK(run.exit_code == 1);
    CHECK(run.err.find(name + ": scaled error") != std::string::npos);
  }
}

TEST_CASE("layer: NaN in the data is no bad input but an error of 1e300", "[tool]") {
  changed_case const nan("gptoss_01_tiny_balanced", "hidden",
                         std::numeric_limits<float>::quiet_NaN());
  auto const run = run_tool({"layer", nan.path, "--ranks", "2", "--repeat", "2"});
  CHECK(run.exit_code == 1);
  CHECK(json::parse(run.out)["max_error"]["out"] == 1e300);
  CHECK(run.err.find("--repeat") == std::string::npos);
}

TEST_CASE("layer: takes any number of ranks, also more than experts or tokens", "[tool]") {
  for (std::string const ranks : {"1", "3", "5", "40"})
    CHECK(report_of({cases + "gptoss_10_odd_sizes.json", "--ranks", ranks, "--min-tokens", "0",
                     "--dtype", "f64"})["pass"] == true);
}

TEST_CASE("layer: finds the data file beside the header, from any folder", "[tool]") {
  llep::testing::tool_start start{{"layer", "swiglu_06_one_token.json", "--ranks", "2"}, ""};
  start.directory = cases;
  CHECK(run_tool(start).exit_code == 0);
}
