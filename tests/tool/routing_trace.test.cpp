// SPDX-License-Identifier: Apache-2.0
#include "tool/routing_trace.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/run_tool.hpp"

namespace {

using Catch::Matchers::ContainsSubstring;
using llep::testing::scratch_directory;
using llep::testing::write_text;
using llep::tool::input_error;
using llep::tool::read_routing_trace;

// Two steps, one layer, three tokens of two choices among four experts.
std::string const header =
    "# moe-load-trace 1\n# name: small\n# model: none\n# top_k: 2\n# workload: made up\n"
    "# tokens_per_step: 3\n# experts: 4\n# steps: 2\n# layers: 1\n# layer_ids: 7\n"
    "# topk_file: small.u8\n# topk_shape: 2 1 3 2 (steps layers tokens k), uint8\n"
    "# topw_file: small.u16\n0,7,0,1,2,3,0\n";

struct small_trace {
  std::string text = header;
  std::string ids{"\0\1\1\2\2\3\3\2\1\0\0\3", 12};
  std::string gates = std::string(22, '\0') + "\x10\x27";
  scratch_directory directory;

  llep::tool::routing_trace read() {
    write_text(directory / "small.csv", text);
    write_text(directory / "small.u8", ids);
    write_text(directory / "small.u16", gates);
    return read_routing_trace((directory / "small.csv").string());
  }
};

}  // namespace

TEST_CASE("routing trace: ids and gates are read in the order they were recorded", "[tool]") {
  auto const trace = small_trace().read();
  CHECK(trace.name == "small");
  CHECK(trace.experts == 4);
  CHECK(trace.choices == 2);
  CHECK(trace.layer_ids == std::vector<std::int64_t>{7});
  CHECK(trace.first(1, 0) == 6);
  CHECK(trace.ids[trace.first(1, 0)] == 3);
  CHECK(trace.gates.back() == 10000);
}

TEST_CASE("routing trace: what is wrong is named with file, line and key", "[tool]") {
  std::vector<std::pair<std::string, std::string>> const lines{
      {"# steps: 2", "small.csv:8: steps"},
      {"# topk_shape: 2 1 3 2", "small.csv:12: topk_shape"},
      {"# layer_ids: 7", "small.csv:10: layer_ids"},
      {"# experts: 4", "small.csv:7: experts"}};
  for (auto const& [line, words] : lines)
    for (std::string const value : {"x", "7 8 9", "0", "-1", "99999999999999999999"}) {
      small_trace broken;
      auto const at = broken.text.find(line);
      broken.text.replace(at, line.size(), line.substr(0, line.find(':') + 2) + value);
      bool const harmless = line == "# layer_ids: 7" && (value == "0" || value == "-1");
      bool const more = value == "7 8 9" && line != "# layer_ids: 7";
      if (!harmless && !more) CHECK_THROWS_WITH(broken.read(), ContainsSubstring(words));
    }
  small_trace lacking;
  lacking.text = "# name: small\n";
  CHECK_THROWS_WITH(lacking.read(), ContainsSubstring("small.csv:1: model: missing"));
}

TEST_CASE("routing trace: a data file that doesn't fit is named", "[tool]") {
  small_trace cut;
  cut.ids.pop_back();
  CHECK_THROWS_WITH(cut.read(), ContainsSubstring("small.u8: holds 11 bytes"));
  small_trace long_gates;
  long_gates.gates += '\0';
  CHECK_THROWS_WITH(long_gates.read(), ContainsSubstring("small.u16: holds 25 bytes"));
  small_trace wrong;
  wrong.ids[5] = 4;
  CHECK_THROWS_WITH(wrong.read(), ContainsSubstring("byte 5 names expert 4 of 4"));
}
