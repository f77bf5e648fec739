// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/run_tool.hpp"

namespace {

using llep::testing::lines_of;
using llep::testing::read_text;
using llep::testing::run_tool;
using nlohmann::json;

// Neighbouring segments on one rank become one, as the tool lists them.
json joined(json const& segments) {
  json out = json::array();
  for (json const& s : segments) {
    if (!out.empty() && out.back()[0] == s[0] && out.back()[2] == s[1])
      out.back()[2] = s[2];
    else
      out.push_back(s);
  }
  return out;
}

// What a golden line says, in the way the tool says it.
json expected(json const& golden) {
  std::int64_t const each =
      golden["num_experts"].get<std::int64_t>() / golden["num_ranks"].get<std::int64_t>();
  json assignments = json::object();
  json transfers = json::array();
  for (auto const& [name, segments] : golden["assignments"].items()) {
    assignments[name] = joined(segments);
    std::int64_t const expert = std::stoll(name);
    for (json const& s : assignments[name])
      if (s[0] != expert / each) transfers.push_back({expert, expert / each, s[0], s[1], s[2]});
  }
  std::sort(transfers.begin(), transfers.end());
  return {{"id", golden["id"]},
          {"planner", "least_loaded_" + golden["source"].get<std::string>()},
          {"assignments", assignments},
          {"transfers", transfers},
          {"rank_loads", golden["rank_loads"]}};
}

void compare_with_golden(std::string const& source) {
  std::string input;
  std::vector<json> wanted;
  for (auto const& line : lines_of(read_text(LLEP_TEST_DATA_DIR "/lla_plans.jsonl"))) {
    auto const golden = json::parse(line);
    if (golden["source"] != source) continue;
    input += line + '\n';
    wanted.push_back(expected(golden));
  }
  auto const run = run_tool({"plan", "--planner", "least_loaded_" + source}, input);
  REQUIRE(run.exit_code == 0);
  CHECK(run.err.empty());
  auto const lines = lines_of(run.out);
  REQUIRE(wanted.size() > 100);
  REQUIRE(lines.size() == wanted.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto made = json::parse(lines[i]);
    std::sort(made["transfers"].begin(), made["transfers"].end());
    CHECK(made == wanted[i]);
  }
}

// A problem of four experts; more fields may be given.
std::string problem(json const& more = json::object()) {
  json line{{"id", "four"}, {"num_experts", 4},         {"num_ranks", 2},
            {"alpha", 1.0}, {"min_tokens_per_gemm", 1}, {"loads", {70, 10, 10, 10}}};
  line.update(more);
  return line.dump() + '\n';
}

json plan_of(std::vector<std::string> options, std::string const& input) {
  options.insert(options.begin(), "plan");
  auto const run = run_tool(options, input);
  REQUIRE(run.exit_code == 0);
  return json::parse(run.out);
}

}  // namespace

TEST_CASE("plan: equals every golden plan of the reference", "[tool]") {
  compare_with_golden("reference");
}

TEST_CASE("plan: equals every golden plan of the paper", "[tool]") { compare_with_golden("paper"); }

TEST_CASE("plan: least_loaded is what happens when nothing is named", "[tool]") {
  auto const made = plan_of({}, problem());
  CHECK(made["planner"] == "least_loaded");
  CHECK(made["rank_loads"] == json::array({50, 50}));
  CHECK(made["transfers"] == json::parse("[[0, 0, 1, 40, 70]]"));
  CHECK(made["assignments"]["0"] == json::parse("[[0, 0, 40], [1, 40, 70]]"));
}

TEST_CASE("plan: below the threshold every row stays at its expert's owner", "[tool]") {
  auto const at_home = plan_of({"--planner", "standard_ep"}, problem());
  CHECK(at_home["rank_loads"] == json::array({80, 20}));
  CHECK(plan_of({"--threshold", "1.61"}, problem())["rank_loads"] == json::array({80, 20}));
  CHECK(plan_of({"--threshold", "1.6"}, problem())["rank_loads"] == json::array({50, 50}));
}

TEST_CASE("plan: owners are obeyed, and further fields ignored", "[tool]") {
  auto const made = plan_of({"--planner", "standard_ep"},
                            problem({{"owners", {1, 1, 0, 1}}, {"remarks", {{"nested", {1, 2}}}}}));
  CHECK(made["rank_loads"] == json::array({10, 90}));
  CHECK(made["transfers"].empty());
}

TEST_CASE("plan: experts without rows are left out, and there may be no rows at all", "[tool]") {
  auto const made = plan_of({}, problem({{"loads", {0, 0, 0, 0}}}));
  CHECK(made["assignments"] == json::object());
  CHECK(made["transfers"] == json::array());
  CHECK(made["rank_loads"] == json::array({0, 0}));
}

TEST_CASE("plan: empty lines and missing line ends do no harm", "[tool]") {
  CHECK(run_tool({"plan"}, "").out.empty());
  auto const run =
      run_tool({"plan"}, "\n  \r\n" + problem() + "\n" + problem().substr(0, problem().size() - 5));
  CHECK(run.exit_code == 2);  // cut short
  auto const two = problem() + "\r\n" + problem();
  CHECK(lines_of(run_tool({"plan"}, two.substr(0, two.size() - 1)).out).size() == 2);
}

TEST_CASE("plan: a line of two hundred thousand experts takes no time to speak of", "[tool]") {
  std::vector<std::int64_t> loads(200'000);
  for (std::size_t e = 0; e < loads.size(); ++e)
    loads[e] = static_cast<std::int64_t>(e * e % 1'000'003);
  auto const made = plan_of({}, problem({{"num_experts", loads.size()},
                                         {"loads", loads},
                                         {"num_ranks", 1024},
                                         {"min_tokens_per_gemm", 0}}));
  auto const& by_rank = made["rank_loads"];
  REQUIRE(by_rank.size() == 1024);
  auto const [least, most] = std::minmax_element(by_rank.begin(), by_rank.end());
  CHECK(most->get<std::int64_t>() - least->get<std::int64_t>() <= 1024);
}

TEST_CASE("plan: loads up to the largest total are planned", "[tool]") {
  std::int64_t const largest = 9'223'372'036'854'775'807;
  auto const made = plan_of({}, problem({{"loads", {largest - 3, 1, 1, 1}}}));
  CHECK(made["rank_loads"][0].get<std::int64_t>() + made["rank_loads"][1].get<std::int64_t>() ==
        largest);
}
