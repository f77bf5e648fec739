// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/refused.hpp"
#include "support/replay.hpp"
#include "support/run_tool.hpp"

namespace {

using Catch::Approx;
using llep::testing::check_refused;
using llep::testing::column;
using llep::testing::json_of;
using llep::testing::lines_of;
using llep::testing::read_text;
using llep::testing::replaced;
using llep::testing::replay_file;
using llep::testing::replay_text;
using llep::testing::run_tool;
using llep::testing::scratch_directory;
using llep::testing::small_trace;
using nlohmann::json;
using numbers = std::vector<std::int64_t>;
using ratios = std::vector<double>;

json replayed(std::vector<std::string> options, std::string const& text = small_trace) {
  options.push_back("--json");
  return json_of(replay_text(text, options));
}

}  // namespace

TEST_CASE("replay: every step of every layer is planned", "[tool][replay]") {
  auto const all = replayed({"--ranks", "2", "--min-tokens", "1"});
  auto const& rows = all["rows"];
  CHECK(column<std::int64_t>(rows, "step") == numbers{0, 0, 1, 1});
  CHECK(column<std::int64_t>(rows, "layer") == numbers{3, 7, 3, 7});
  CHECK(column<double>(rows, "max_over_mean_before") == ratios{1.6, 1, 1, 2});
  CHECK(column<double>(rows, "max_over_mean_after") == ratios{1, 1, 1, 1});
  CHECK(column<std::int64_t>(rows, "moves") == numbers{1, 0, 0, 1});
  CHECK(column<std::int64_t>(rows, "fan_in") == numbers{1, 0, 0, 1});
  CHECK(column<std::int64_t>(rows, "fan_out") == numbers{1, 0, 0, 1});
  CHECK(column<std::int64_t>(rows, "moved_rows") == numbers{30, 0, 0, 30});
  for (double const us : column<double>(rows, "planning_us")) CHECK((us > 0 && us < 1e6));
}

TEST_CASE("replay: the summary adds the pairs up", "[tool][replay]") {
  auto const all = replayed({"--ranks", "2", "--min-tokens", "1"});
  CHECK(all["trace"] == "small");
  CHECK(all["ranks"] == 2);
  CHECK(all["scale"] == 1);
  REQUIRE(all["summary"].size() == 1);
  auto const& sum = all["summary"][0];
  CHECK(sum["planner"] == "least_loaded");
  CHECK(sum["pairs"] == 4);
  CHECK(sum["max_over_mean_before"].get<double>() == Approx(1.4));
  CHECK(sum["worst_max_over_mean_before"] == 2.0);
  CHECK(sum["max_over_mean_after"] == 1.0);
  CHECK(sum["worst_max_over_mean_after"] == 1.0);
  CHECK(sum["moves"] == 2);
  CHECK(sum["moved_rows"] == 60);
  CHECK(sum["max_fan_in"] == 1);
  CHECK(sum["max_fan_out"] == 1);
  CHECK(sum["worst_time_ratio_to_ep"].is_null());
  CHECK(sum["mean_time_ratio_to_ep"].is_null());
  auto times = column<double>(all["rows"], "planning_us");
  std::sort(times.begin(), times.end());
  CHECK(sum["median_planning_us"].get<double>() == Approx((times[1] + times[2]) / 2));
}

TEST_CASE("replay: ranks need not be those that the trace was recorded on", "[tool][replay]") {
  auto const rows = replayed({"--ranks", "4", "--min-tokens", "1"})["rows"];
  CHECK(column<double>(rows, "max_over_mean_before") == ratios{2.8, 1, 1, 4});
  CHECK(column<double>(rows, "max_over_mean_after") == ratios{1, 1, 1, 1});
  CHECK(column<std::int64_t>(rows, "moves") == numbers{3, 0, 0, 3});
  CHECK(column<std::int64_t>(rows, "fan_in") == numbers{1, 0, 0, 1});
  CHECK(column<std::int64_t>(rows, "fan_out") == numbers{3, 0, 0, 3});
  CHECK(column<std::int64_t>(rows, "moved_rows") == numbers{45, 0, 0, 45});
  auto const three = replayed({"--ranks", "3"})["rows"];  // experts 0 1, 2, 3
  CHECK(column<double>(three, "max_over_mean_before") == ratios{2.4, 1.5, 1, 3});
}

TEST_CASE("replay: a scale multiplies rows and leaves ratios alone", "[tool][replay]") {
  auto const all = replayed({"--ranks", "2", "--min-tokens", "1", "--scale", "1000"});
  CHECK(all["scale"] == 1000);
  CHECK(column<std::int64_t>(all["rows"], "moved_rows") == numbers{30000, 0, 0, 30000});
  CHECK(column<double>(all["rows"], "max_over_mean_before") == ratios{1.6, 1, 1, 2});
  // the smallest chunk isn't scaled: 15 rows are too few for a move, 30 are not
  auto const after = [](std::string const& scale) {
    return column<double>(
        replayed({"--ranks", "4", "--min-tokens", "16", "--scale", scale})["rows"],
        "max_over_mean_after");
  };
  CHECK(after("1") == ratios{1.8, 1, 1, 3});
  CHECK(after("2") == ratios{1, 1, 1, 1});
}

TEST_CASE("replay: planners are compared in the order in which they are named", "[tool][replay]") {
  for (std::vector<std::string> const& named :
       {std::vector<std::string>{"--planner", "standard_ep", "--planner", "least_loaded"},
        std::vector<std::string>{"--planner", "standard_ep", "least_loaded"}}) {
    auto options = named;
    options.insert(options.end(), {"--ranks", "2", "--min-tokens", "1"});
    auto const all = replayed(options);
    CHECK(column<std::string>(all["summary"], "planner") ==
          std::vector<std::string>{"standard_ep", "least_loaded"});
    CHECK(column<std::int64_t>(all["summary"], "moves") == numbers{0, 2});
    CHECK(column<std::int64_t>(all["rows"], "step") == numbers{0, 0, 0, 0, 1, 1, 1, 1});
    CHECK(column<std::int64_t>(all["rows"], "layer") == numbers{3, 3, 7, 7, 3, 3, 7, 7});
    CHECK(all["rows"][6]["planner"] == "standard_ep");
    CHECK(all["rows"][6]["max_over_mean_after"] == 2.0);
    CHECK(all["rows"][7]["max_over_mean_after"] == 1.0);
  }
}

TEST_CASE("replay: the trace may stand before, between or behind the options", "[tool][replay]") {
  scratch_directory const files;
  auto const path = (files / "t.csv").string();
  llep::testing::write_text(path, small_trace);
  std::vector<std::vector<std::string>> const lines{
      {"replay", path, "--ranks", "2", "--planner", "standard_ep", "--json"},
      {"replay", "--ranks", "2", path, "--planner", "standard_ep", "--json"},
      {"replay", "--json", "--ranks", "2", "--planner", "standard_ep", path},
      {"replay", "--planner", "standard_ep", path, "--ranks", "2", "--json"}};
  for (auto const& line : lines)
    CHECK(json_of(run_tool(line))["summary"][0]["planner"] == "standard_ep");
}

TEST_CASE("replay: alpha and the threshold reach the planners", "[tool][replay]") {
  auto const after = [](std::vector<std::string> options) {
    options.insert(options.end(), {"--ranks", "2"});
    return column<double>(replayed(options)["rows"], "max_over_mean_after");
  };
  CHECK(after({"--min-tokens", "1", "--alpha", "1.5"}) == ratios{1.5, 1, 1, 1.5});
  CHECK(after({"--min-tokens", "1", "--threshold", "1.7"}) == ratios{1.6, 1, 1, 1});
}

TEST_CASE("replay: the imbalance of experts and ranks is told as recorded", "[tool][replay]") {
  auto const seen = replayed({"--ranks", "2"})["imbalance"];
  CHECK(seen["pairs"] == 4);
  CHECK(column<std::int64_t>(seen["rows"], "step") == numbers{0, 0, 1, 1});
  CHECK(column<std::int64_t>(seen["rows"], "layer") == numbers{3, 7, 3, 7});
  CHECK(column<std::int64_t>(seen["rows"], "busiest_expert") == numbers{0, 0, 0, 3});
  CHECK(column<double>(seen["rows"], "expert_max_over_mean") == ratios{2.8, 1, 1, 4});
  CHECK(column<std::int64_t>(seen["rows"], "busiest_rank") == numbers{0, 0, 0, 1});
  CHECK(column<double>(seen["rows"], "rank_max_over_mean") == ratios{1.6, 1, 1, 2});
  CHECK(seen["per_rank_triggers"] == 2);
  CHECK(seen["per_expert_triggers"] == 2);
  auto const at = [](std::string const& threshold) {
    return replayed({"--ranks", "2", "--threshold", threshold})["imbalance"];
  };
  CHECK(at("1")["per_rank_triggers"] == 4);
  CHECK(at("1.6")["per_rank_triggers"] == 2);
  CHECK(at("1.601")["per_rank_triggers"] == 1);
  CHECK(at("2.8")["per_expert_triggers"] == 2);
  CHECK(at("2.801")["per_expert_triggers"] == 1);
}

TEST_CASE("replay: the JSON object has the keys that are promised, in their order",
          "[tool][replay]") {
  auto const run = replay_text(small_trace, {"--ranks", "2", "--json"});
  auto const all = nlohmann::ordered_json::parse(run.out);
  auto const begin_of = [](nlohmann::ordered_json const& object, std::size_t n) {
    std::vector<std::string> keys;
    for (auto const& [key, value] : object.items())
      if (keys.size() < n) keys.push_back(key);
    return keys;
  };
  using words = std::vector<std::string>;
  CHECK(begin_of(all, 5) == words{"trace", "ranks", "scale", "summary", "rows"});
  CHECK(begin_of(all["summary"][0], 8) == words{"planner", "pairs", "max_over_mean_before",
                                                "max_over_mean_after", "moves", "moved_rows",
                                                "worst_time_ratio_to_ep", "mean_time_ratio_to_ep"});
  CHECK(begin_of(all["rows"][0], 99) == words{"step", "layer", "planner", "max_over_mean_before",
                                              "max_over_mean_after", "moves", "fan_in", "fan_out",
                                              "moved_rows", "planning_us"});
  CHECK(begin_of(all["imbalance"]["rows"][0], 99) == words{"step", "layer", "busiest_expert",
                                                           "expert_max_over_mean", "busiest_rank",
                                                           "rank_max_over_mean"});
  CHECK(all["settings"] ==
        nlohmann::ordered_json{
            {"experts", 4}, {"alpha", 1.0}, {"min_tokens", 1024}, {"threshold", nullptr}});
  CHECK(lines_of(run.out).size() == 1);
}

TEST_CASE("replay: a name that isn't UTF-8 leaves the JSON whole and the report ASCII",
          "[tool][replay]") {
  auto const odd = replaced(small_trace, "name: small", "name: a\xFF\"\x01" + std::string("b"));
  CHECK(replayed({"--ranks", "2"}, odd)["trace"].get<std::string>().ends_with("b"));
  auto const run = replay_text(odd, {"--ranks", "2"});
  CHECK(run.exit_code == 0);
  CHECK(run.out.find("a?\"?b") != std::string::npos);
}

TEST_CASE("replay: more than a million ranks are planned too", "[tool][replay]") {
  auto const all = replayed({"--ranks", "1048576", "--min-tokens", "1", "--scale", "1048576"});
  CHECK(all["rows"][0]["max_over_mean_after"] == 1.0);
  CHECK(all["rows"][3]["max_over_mean_before"] == 1048576.0);
  CHECK(all["rows"][3]["moves"] == 1048575);
  auto const text = replay_text(small_trace, {"--ranks", "1048576", "--min-tokens", "1"}).out;
  for (auto const& line : lines_of(text)) CHECK(line.size() <= 100);
}

TEST_CASE("replay: a page is written when it is asked for, and before anything is printed",
          "[tool][replay]") {
  scratch_directory const files;
  auto const page = (files / "page.html").string();
  auto const run = replay_text(small_trace, {"--ranks", "2", "--html", page});
  CHECK(run.exit_code == 0);
  CHECK(run.err.empty());
  CHECK(read_text(page).find("<html") != std::string::npos);
  CHECK(run.out.starts_with("Replay of small"));
  check_refused(replay_text(small_trace, {"--ranks", "2", "--html", (files / "no/page").string()}),
                {"no/page: can't be written"});
  check_refused(replay_text(small_trace, {"--ranks", "2", "--html", "/dev/full"}),
                {"/dev/full: can't be written"});
  check_refused(replay_text(small_trace, {"--ranks", "2", "--html", ""}), {"--html"});
}

TEST_CASE("replay: bad usage names the option and what it takes", "[tool][replay]") {
  std::vector<std::pair<std::vector<std::string>, std::string>> const lines{
      {{}, "--ranks"},
      {{"--ranks", "2", "--planner", "nobody"}, "--planner: must be one of standard_ep"},
      {{"--ranks", "2", "--planner", ""}, "--planner"},
      {{"--ranks", "2", "--planner"}, "--planner"},
      {{"--ranks", "2", "--planner", "standard_ep", "--planner", "standard_ep"},
       "--planner: standard_ep is named twice"},
      {{"--ranks", "2", "--threshold", "0.9"}, "--threshold"},
      {{"--ranks", "2", "--alpha", "nan"}, "--alpha"},
      {{"--ranks", "2", "--alpha", "1e400"}, "--alpha"},
      {{"--ranks", "2", "--min-tokens", "-1"}, "--min-tokens"},
      {{"--ranks", "2", "--experts", "0"}, "--experts"},
      {{"--ranks", "2", "--experts", "1048577"}, "--experts"},
      {{"--ranks", "2", "--experts", "5"}, "--experts: is 5, but "},
      {{"--ranks", "2", "--ranks", "2"}, "--ranks"},
      {{"--ranks", "2", "more"}, "more"}};
  for (auto const& [options, words] : lines)
    check_refused(replay_text(small_trace, options), {words});
  for (std::string const value : {"0", "-1", "abc", "1048577", "99999999999999999999", "", "2.0"})
    check_refused(replay_text(small_trace, {"--ranks", value}), {"--ranks: must be"});
  for (std::string const value : {"0", "-1", "1.5", "1e3", "", "9223372036854775808"})
    check_refused(replay_text(small_trace, {"--ranks", "2", "--scale", value}), {"--scale"});
  check_refused(run_tool({"replay"}), {"--ranks"});
  check_refused(run_tool({"replay", "--ranks", "2"}), {"TRACE"});
  check_refused(run_tool({"replay", "", "--ranks", "2"}), {"TRACE"});
  check_refused(replay_file("/no/such/file", {"--ranks", "2"}), {"/no/such/file: can't be opened"});
}

TEST_CASE("replay: a scale that takes the rows beyond 64 bits is refused", "[tool][replay]") {
  // 200 rows in all
  CHECK(replay_text(small_trace, {"--ranks", "2", "--scale", "46116860184273879"}).exit_code == 0);
  check_refused(replay_text(small_trace, {"--ranks", "2", "--scale", "46116860184273880"}),
                {"--scale: the trace's 200 rows times 46116860184273880", "2^63 - 1"});
}

TEST_CASE("replay: output that can't be written is an error", "[tool][replay]") {
  scratch_directory const files;
  llep::testing::write_text(files / "t.csv", small_trace);
  llep::testing::tool_start start{{"replay", (files / "t.csv").string(), "--ranks", "2"}, ""};
  start.output_to = "/dev/full";
  auto const run = run_tool(start);
  CHECK(run.exit_code == 1);
  CHECK(run.err == "llep: standard output can't be written\n");
}
