// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <string>

#include <nlohmann/json.hpp>

#include "support/run_tool.hpp"

namespace {

using llep::testing::run_tool;

TEST_CASE("eigen: the tool's layer runs it by name, in both types", "[eigen][tool]") {
  std::string const cases = LLEP_TEST_DATA_DIR "/moe_layer/";
  for (std::string const name : {"swiglu_10_medium_hot", "gptoss_05_clamp_active"})
    for (std::string const dtype : {"f32", "f64"}) {
      CAPTURE(name, dtype);
      auto const run = run_tool({"layer", cases + name + ".json", "--ranks", "4", "--min-tokens",
                                 "1", "--kernel", "eigen", "--dtype", dtype, "--repeat", "2"});
      REQUIRE(run.exit_code == 0);
      auto const report = nlohmann::json::parse(run.out);
      CHECK(report["kernel"] == "eigen");
      CHECK(report["pass"] == true);
      CHECK(report["moves"] > 0);
    }
}

}  // namespace
