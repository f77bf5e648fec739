// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/refused.hpp"
#include "support/replay.hpp"
#include "support/run_tool.hpp"

namespace {

using llep::testing::check_refused;
using llep::testing::column;
using llep::testing::json_of;
using llep::testing::replaced;
using llep::testing::replay_file;
using llep::testing::replay_text;
using llep::testing::scratch_directory;
using llep::testing::small_trace;
using llep::testing::write_text;
using numbers = std::vector<std::int64_t>;

std::vector<std::string> const two{"--ranks", "2"};

nlohmann::json rows_of(std::string const& text) {
  return json_of(replay_text(text, {"--ranks", "2", "--json"}))["rows"];
}

struct spoilt {
  std::string what;  // in the small trace
  std::string by;
  std::string words;  // behind "trace.csv:"
};

void check_spoilt(std::vector<spoilt> const& ways) {
  for (auto const& way : ways) {
    CAPTURE(way.what, way.by);
    check_refused(replay_text(replaced(small_trace, way.what, way.by), two),
                  {"trace.csv:" + way.words});
  }
}

}  // namespace

TEST_CASE("csv trace: line ends of another system and empty lines do no harm", "[tool][replay]") {
  std::string text;
  for (char const c : small_trace) text += c == '\n' ? std::string("\r\n") : std::string(1, c);
  auto const wanted = column<double>(rows_of(small_trace), "max_over_mean_before");
  CHECK(column<double>(rows_of(text + "\r\n \r\n"), "max_over_mean_before") == wanted);
  CHECK(column<double>(rows_of(replaced(small_trace, "0,7,0", "\n0,7,0")),
                       "max_over_mean_before") == wanted);
  auto const open_end = small_trace.substr(0, small_trace.size() - 1);
  CHECK(column<double>(rows_of(open_end), "max_over_mean_before") == wanted);
}

TEST_CASE("csv trace: what isn't needed may be missing or anything", "[tool][replay]") {
  auto text = replaced(small_trace, "# name: small\n", "# remark: b\n# top_k: many\n");
  text = replaced(text, "# moe-load-trace 1\n", "# step_names: only one\n");
  auto const all = json_of(replay_text(text, {"--ranks", "2", "--json"}));
  CHECK(all["trace"] == "trace");  // the file's name
  CHECK(all["summary"][0]["pairs"] == 4);
  CHECK(rows_of(replaced(small_trace, "# layers: 2\n", ""))[1]["layer"] == 7);
  auto numbered = replaced(small_trace, "# layer_ids: 3 7\n", "");
  for (int i = 0; i < 4; ++i) {
    numbered = replaced(numbered, "\n" + std::to_string(i / 2) + ",3,",
                        "\n" + std::to_string(i / 2) + ",0,");
    numbered = replaced(numbered, "\n" + std::to_string(i / 2) + ",7,",
                        "\n" + std::to_string(i / 2) + ",1,");
  }
  CHECK(column<std::int64_t>(rows_of(numbered), "layer") == numbers{0, 1, 0, 1});
}

TEST_CASE("csv trace: layers come in the header's order", "[tool][replay]") {
  auto const text =
      "# experts: 1\n# steps: 1\n# layer_ids: 9 0 4\n# src_ranks: 1\n0,9,0,1\n0,0,0,2\n0,4,0,3\n";
  CHECK(column<std::int64_t>(rows_of(text), "layer") == numbers{9, 0, 4});
}

TEST_CASE("csv trace: sums over unknown source ranks are taken as sums", "[tool][replay]") {
  std::string const text =
      "# experts: 4\n# steps: 1\n# layers: 1\n# src_ranks: 0\n0,0,-1,70,10,10,10\n";
  CHECK(column<double>(rows_of(text), "max_over_mean_before") == std::vector<double>{1.6});
  check_refused(replay_text(replaced(text, "0,0,-1", "0,0,0"), two),
                {"trace.csv:5: src_rank: must be -1"});
}

TEST_CASE("csv trace: a header that doesn't hold is named by line and key", "[tool][replay]") {
  check_spoilt({{"# moe-load-trace 1", "# moe-load-trace 2", "1: moe-load-trace: "},
                {"# moe-load-trace 1", "# moe-load-trace 1.5", "1: moe-load-trace: "},
                {"# moe-load-trace 1", "step,layer,src_rank", "1: header: "},
                {"# experts: 4\n", "", "1: experts: missing"},
                {"# steps: 2\n", "", "1: steps: missing"},
                {"# layers: 2\n# layer_ids: 3 7\n", "", "1: layers: missing"},
                {"# src_ranks: 2\n", "", "1: src_ranks: missing"},
                {"experts: 4", "experts: 0", "3: experts: must be from 1 to 1048576"},
                {"experts: 4", "experts: 1048577", "3: experts: "},
                {"experts: 4", "experts: four", "3: experts: must be a whole number"},
                {"experts: 4", "experts: 4.0", "3: experts: must be a whole number"},
                {"experts: 4", "experts: 99999999999999999999", "3: experts: "},
                {"experts: 4", "experts: 4\n# experts: 4", "4: experts: named twice"},
                {"steps: 2", "steps: 0", "4: steps: "},
                {"steps: 2", "steps: 1000000", "4: steps: times the layers"},
                {"layers: 2", "layers: 3", "6: layer_ids: "},
                {"layer_ids: 3 7", "layer_ids: 3 3", "6: layer_ids: lists a layer twice"},
                {"layer_ids: 3 7", "layer_ids: 3 -7", "6: layer_ids: "},
                {"src_ranks: 2", "src_ranks: -1", "7: src_ranks: "},
                {"src_ranks: 2", "src_ranks: 1048577", "7: src_ranks: "}});
  check_refused(replay_text("", two), {"trace.csv:1: ", "nothing"});
  check_refused(replay_text(" \r\n\n", two), {"trace.csv:1: ", "nothing"});
}

TEST_CASE("csv trace: a number that isn't one is named by line and column", "[tool][replay]") {
  for (std::string const value : {"-3", "x", "", " 3", "3 ", "3.0", "1e1", "+3", "nan",
                                  "9223372036854775808", "99999999999999999999", "0x3"})
    check_spoilt(
        {{"0,3,1,40,5,7,8", "0,3,1,40,5," + value + ",8", "9: e2: must be a whole number"}});
  check_spoilt({{"0,3,1,40", "a,3,1,40", "9: step: must be a whole number"},
                {"0,3,1,40", "0,-3,1,40", "9: layer: must be a whole number"},
                {"0,3,1,40", "0,3,-2,40", "9: src_rank: must be a whole number"},
                {"0,3,1,40", "# 0,3,1,40", "9: step: "}});
}

TEST_CASE("csv trace: ragged rows are refused", "[tool][replay]") {
  check_spoilt({{"0,3,1,40,5,7,8", "0,3,1,40,5,7", "9: columns: there are 6"},
                {"0,3,1,40,5,7,8", "0,3,1,40,5,7,8,9", "9: columns: there are 8"},
                {"0,3,1,40,5,7,8", "0,3,1,40,5,7,8,", "9: columns: there are 8"},
                {"0,3,1,40,5,7,8", "0", "9: columns: there are 1"}});
}

TEST_CASE("csv trace: every row must be there once, and in its place", "[tool][replay]") {
  std::string const row = "0,3,1,40,5,7,8\n";
  check_spoilt(
      {{row, "", "9: layer: the row of step 0, layer 3, src_rank 1 must"},
       {row, row + row, "10: layer: the row of step 0, layer 7, src_rank 0 must"},
       {"0,3,0,", "0,7,0,", "8: layer: the row of step 0, layer 3, src_rank 0 must"},
       {"0,3,0,", "1,3,0,", "8: step: the row of step 0, layer 3, src_rank 0 must"},
       {"0,3,0,", "0,5,0,", "8: layer: 5 is not in layer_ids"},
       {"0,3,0,", "2,3,0,", "8: step: 2 is not below 2"},
       {"0,3,0,", "0,3,2,", "8: src_rank: must be from 0 to 1, not 2"},
       {"0,3,0,", "0,3,-1,", "8: src_rank: must be from 0 to 1, not -1"},
       {"1,7,1,0,0,0,20\n", "",
        "14: step: the rows end before the one of step 1, layer 7, src_rank 1"},
       {"1,7,1,0,0,0,20\n", "1,7,1,0,0,0,20\n1,7,1,0,0,0,20\n", "16: step: there are more rows"}});
}

TEST_CASE("csv trace: counts may add up to 2^63 - 1 and not to more", "[tool][replay]") {
  std::string const head = "# experts: 2\n# steps: 1\n# layers: 1\n# src_ranks: 2\n0,0,0,3,";
  std::string const largest = "9223372036854775800";
  auto const all = json_of(replay_text(head + largest + "\n0,0,1,2,2\n",
                                       {"--ranks", "2", "--json", "--min-tokens", "0"}));
  CHECK(all["rows"][0]["max_over_mean_after"] == 1.0);
  CHECK(all["rows"][0]["moved_rows"] == 4611686018427387898);
  check_refused(replay_text(head + largest + "\n0,0,1,2,3\n", two), {"trace.csv:6: e1: ", "2^63"});
}

TEST_CASE("csv trace: no file is read that isn't a trace", "[tool][replay]") {
  scratch_directory const files;
  write_text(files / "junk", std::string("\x7f"
                                         "ELF\0\1\2\3\n#\n",
                                         10));
  check_refused(replay_file((files / "junk").string(), two), {"junk:1: header: "});
  write_text(files / "zeros", std::string(1000, '\0'));
  check_refused(replay_file((files / "zeros").string(), two), {"zeros:1: header: "});
  check_refused(replay_file("/dev/null", two), {"/dev/null:1: "});
  check_refused(replay_file((files / "absent").string(), two), {"absent: can't be opened"});
}
