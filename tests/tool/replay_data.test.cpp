// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/replay.hpp"
#include "support/run_tool.hpp"

// The recorded traces in examples/data, and sums over them made here a second time, by hand.

namespace {

using Catch::Approx;
using llep::testing::column;
using llep::testing::csv_rows;
using llep::testing::json_of;
using llep::testing::lines_of;
using llep::testing::read_text;
using llep::testing::replay_file;
using llep::testing::run_tool;
using nlohmann::json;
using numbers = std::vector<std::int64_t>;

std::string path_of(std::string const& name) {
  return LLEP_TEST_DATA_DIR "/../../examples/data/" + name + ".csv";
}

std::vector<std::string> const names{"dsv2lite-intent",  "dsv2lite-law",     "dsv2lite-summary",
                                     "gptoss20b-blocks", "gptoss20b-decode", "mixtral-domains",
                                     "olmoe-domains"};

// Loads of the experts by (step, layer).
std::map<std::pair<std::int64_t, std::int64_t>, numbers> loads_of(std::string const& name) {
  std::map<std::pair<std::int64_t, std::int64_t>, numbers> loads;
  for (auto const& row : csv_rows(read_text(path_of(name)))) {
    auto& sums = loads[{row[0], row[1]}];
    sums.resize(row.size() - 3);
    for (std::size_t e = 0; e < sums.size(); ++e) sums[e] += row[e + 3];
  }
  return loads;
}

double max_over_mean(numbers const& values) {
  double total = 0;
  for (auto const value : values) total += static_cast<double>(value);
  auto const most = static_cast<double>(*std::max_element(values.begin(), values.end()));
  return most / (total / static_cast<double>(values.size()));
}

// Experts in equal blocks on eight ranks.
double busiest_of_eight(numbers const& loads) {
  numbers by_rank(8);
  for (std::size_t e = 0; e < loads.size(); ++e) by_rank[e * 8 / loads.size()] += loads[e];
  return max_over_mean(by_rank);
}

// What the published table of these traces says about them on eight ranks.
struct published {
  std::string name;
  std::string median;  // of busiest rank / mean
  std::string share;   // of pairs at 1.3 or more
};

// The facts of a row of JSON, from a plan as `llep plan` prints it.
json facts_of(json const& plan, numbers const& owners) {
  std::set<std::pair<std::int64_t, std::int64_t>> lent;
  std::map<std::int64_t, std::int64_t> into;
  std::map<std::int64_t, std::int64_t> out_of;
  numbers rows(plan["rank_loads"].size());
  std::int64_t moved = 0;
  for (auto const& [name, segments] : plan["assignments"].items()) {
    auto const expert = std::stoll(name);
    auto const owner = owners[static_cast<std::size_t>(expert)];
    for (auto const& s : segments) {
      auto const rank = s[0].get<std::int64_t>();
      auto const count = s[2].get<std::int64_t>() - s[1].get<std::int64_t>();
      rows[static_cast<std::size_t>(rank)] += count;
      if (rank == owner) continue;
      moved += count;
      if (lent.emplace(expert, rank).second) {
        ++into[rank];
        ++out_of[owner];
      }
    }
  }
  auto const most = [](auto const& counts) {
    std::int64_t largest = 0;
    for (auto const& [rank, count] : counts) largest = std::max(largest, count);
    return largest;
  };
  return {{"after", max_over_mean(rows)},
          {"moves", lent.size()},
          {"fan_in", most(into)},
          {"fan_out", most(out_of)},
          {"moved_rows", moved}};
}

void compare_with_plan(std::string const& trace, std::int64_t ranks, std::string const& planner) {
  auto const replayed = json_of(
      replay_file(path_of(trace), {"--ranks", std::to_string(ranks), "--planner", planner,
                                   "--min-tokens", "64", "--alpha", "1.05", "--json"}))["rows"];
  auto const loads = loads_of(trace);
  REQUIRE(replayed.size() == loads.size());
  std::string problems;
  std::vector<numbers> owners;
  for (auto const& [pair, load] : loads) {
    auto const experts = static_cast<std::int64_t>(load.size());
    numbers owner;  // blocks as even as possible, the larger ones first
    for (std::int64_t r = 0; r < ranks; ++r)
      owner.insert(owner.end(), static_cast<std::size_t>(experts / ranks + (r < experts % ranks)),
                   r);
    problems += json{{"id", "x"},     {"num_experts", experts}, {"num_ranks", ranks},
                     {"alpha", 1.05}, {"loads", load},          {"min_tokens_per_gemm", 64}}
                    .dump() +
                '\n';
    owners.push_back(owner);
  }
  auto const plans = lines_of(run_tool({"plan", "--planner", planner}, problems).out);
  REQUIRE(plans.size() == replayed.size());
  for (std::size_t i = 0; i < plans.size(); ++i) {
    auto const wanted = facts_of(json::parse(plans[i]), owners[i]);
    CAPTURE(i, wanted, replayed[i]);
    CHECK(replayed[i]["max_over_mean_after"].get<double>() ==
          Approx(wanted["after"].get<double>()));
    for (std::string const key : {"moves", "fan_in", "fan_out", "moved_rows"})
      CHECK(replayed[i][key] == wanted[key]);
  }
}

}  // namespace

TEST_CASE("replay of recorded traces: all of them are planned, and better balanced then",
          "[tool][replay]") {
  for (auto const& name : names) {
    CAPTURE(name);
    auto const all = json_of(replay_file(
        path_of(name), {"--ranks", "8", "--min-tokens", "16", "--planner", "standard_ep",
                        "least_loaded", "least_loaded_paper", "least_loaded_reference", "--json"}));
    CHECK(all["trace"] == name);
    REQUIRE(all["summary"].size() == 4);
    auto const pairs = loads_of(name).size();
    CHECK(all["rows"].size() == 4 * pairs);
    for (std::size_t n = 0; n < 4; ++n) {
      auto const& sum = all["summary"][n];
      CHECK(sum["pairs"] == pairs);
      double const before = sum["max_over_mean_before"];
      double const after = sum["max_over_mean_after"];
      if (n == 0) {
        CHECK(after == before);
        CHECK(sum["moves"] == 0);
        CHECK(sum["moved_rows"] == 0);
      } else {
        CHECK(after < before);
        CHECK(sum["moves"] > 0);
      }
    }
  }
}

TEST_CASE("replay of recorded traces: standard_ep changes no pair", "[tool][replay]") {
  auto const all = json_of(replay_file(path_of("gptoss20b-blocks"),
                                       {"--ranks", "5", "--planner", "standard_ep", "--json"}));
  REQUIRE(all["rows"].size() == 240);
  for (auto const& row : all["rows"]) {
    CHECK(row["max_over_mean_after"] == row["max_over_mean_before"]);
    CHECK((row["moves"] == 0 && row["fan_in"] == 0 && row["fan_out"] == 0));
    CHECK(row["moved_rows"] == 0);
  }
}

TEST_CASE("replay of recorded traces: every row tells what `plan` would do", "[tool][replay]") {
  compare_with_plan("dsv2lite-law", 8, "least_loaded");
  compare_with_plan("olmoe-domains", 6, "least_loaded_reference");
  compare_with_plan("mixtral-domains", 24, "least_loaded_paper");
}

TEST_CASE("replay of recorded traces: the imbalance is that of the counts, and as published",
          "[tool][replay]") {
  for (auto const& [name, median, share] :
       {published{"dsv2lite-law", "1.35", "59"}, published{"gptoss20b-blocks", "1.52", "86"},
        published{"olmoe-domains", "1.42", "56"}}) {
    CAPTURE(name);
    std::vector<double> ranks;
    std::vector<double> experts;
    for (auto const& [pair, loads] : loads_of(name)) {
      ranks.push_back(busiest_of_eight(loads));
      experts.push_back(max_over_mean(loads));
    }
    auto const seen = json_of(replay_file(path_of(name), {"--ranks", "8", "--json"}))["imbalance"];
    REQUIRE(seen["rows"].size() == ranks.size());
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      CHECK(seen["rows"][i]["rank_max_over_mean"].get<double>() == Approx(ranks[i]));
      CHECK(seen["rows"][i]["expert_max_over_mean"].get<double>() == Approx(experts[i]));
    }
    auto const uneven =
        std::count_if(ranks.begin(), ranks.end(), [](double r) { return r >= 1.3; });
    CHECK(seen["per_rank_triggers"] == uneven);
    auto const report = replay_file(path_of(name), {"--ranks", "8"}).out;
    auto const at = report.find("busiest rank / mean  ");
    REQUIRE(at != std::string::npos);
    auto const line = report.substr(at, report.find('\n', at) - at);
    CAPTURE(line);
    CHECK(line.find(" " + median + " ") != std::string::npos);
    CHECK(line.find(" " + share + " % of ") != std::string::npos);
  }
}

TEST_CASE("replay of recorded traces: the report is ASCII of at most 100 columns",
          "[tool][replay]") {
  for (auto const& name : names)
    for (std::string const ranks : {"1", "8", "1000"}) {
      auto const run =
          replay_file(path_of(name), {"--ranks", ranks, "--scale", "1000000", "--planner",
                                      "standard_ep", "least_loaded_reference"});
      CHECK(run.exit_code == 0);
      CHECK(run.err.empty());
      for (auto const& line : lines_of(run.out)) {
        CAPTURE(line);
        CHECK(line.size() <= 100);
        CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
      }
    }
}
