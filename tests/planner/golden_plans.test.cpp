// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <llep/imbalance/threshold.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/validate.hpp>

namespace {

using namespace llep;
using nlohmann::json;

// [rank, begin, end] and [expert, from, to]
using segment = std::array<std::int64_t, 3>;
using transfer = std::array<std::int64_t, 3>;

struct answer {
  std::map<std::int64_t, std::vector<segment>> assignments;
  std::set<transfer> transfers;
  std::vector<row_count> rank_loads;
};

std::vector<json> golden_lines() {
  std::vector<json> lines;
  std::ifstream file(LLEP_TEST_DATA_DIR "/lla_plans.jsonl");
  for (std::string text; std::getline(file, text);) lines.push_back(json::parse(text));
  return lines;
}

// Neighbouring segments on one rank are joined, and weights counted once per (expert, to).
answer expected(json const& line) {
  answer out;
  for (auto const& [expert, list] : line.at("assignments").items()) {
    auto& segments = out.assignments[std::stoll(expert)];
    for (auto const& next : list.get<std::vector<segment>>()) {
      if (!segments.empty() && segments.back()[0] == next[0] && segments.back()[2] == next[1])
        segments.back()[2] = next[2];
      else
        segments.push_back(next);
    }
  }
  for (auto const& t : line.at("transfers"))
    out.transfers.insert(transfer{t.at(0), t.at(1), t.at(2)});
  out.rank_loads = line.at("rank_loads").get<std::vector<row_count>>();
  return out;
}

answer as_answer(plan const& p, std::int32_t ranks) {
  answer out;
  out.rank_loads.assign(static_cast<std::size_t>(ranks), 0);
  for (row_span const& s : p.spans) {
    out.assignments[s.expert].push_back({s.rank, s.begin, s.end});
    out.rank_loads[static_cast<std::size_t>(s.rank)] += s.end - s.begin;
  }
  for (weight_move const& m : p.moves) out.transfers.insert({m.expert, m.from, m.to});
  return out;
}

least_loaded policy_of(json const& line) {
  bool const reference = line.at("source") == "reference";
  return {.alpha = line.at("alpha").get<double>(),
          .min_chunk_rows = line.at("min_tokens_per_gemm").get<row_count>(),
          .rules = reference ? lla_rules::reference : lla_rules::paper};
}

std::vector<row_count> loads_by_rank(problem const& in) {
  std::vector<row_count> loads(static_cast<std::size_t>(in.ranks), 0);
  for (std::size_t e = 0; e < in.load.size(); ++e)
    loads[static_cast<std::size_t>(in.owner[e])] += in.load[e];
  return loads;
}

// Thresholds a little below and above the ratio fall on either side of it.
void check_ratio(double ratio, std::vector<row_count> const& loads) {
  CAPTURE(ratio);
  double const gap = 0.0011 + ratio * 1e-9;
  if (ratio - gap >= 1.0) CHECK(imbalance_threshold(ratio - gap).reached_by(loads));
  CHECK_FALSE(imbalance_threshold(ratio + gap).reached_by(loads));
}

TEST_CASE("golden plans: the library decides as the public code and the paper do, line by line",
          "[planner][golden]") {
  auto const lines = golden_lines();
  REQUIRE(lines.size() == 433);
  least_loaded::memory memory;  // one for all: what it held before changes nothing
  plan p;
  for (json const& line : lines) {
    INFO(line.at("id"));
    auto const load = line.at("loads").get<std::vector<row_count>>();
    auto const ranks = line.at("num_ranks").get<std::int32_t>();
    auto const owner = contiguous_owners(line.at("num_experts").get<std::int32_t>(), ranks);
    problem const in{ranks, owner, load, {}};
    policy_of(line).plan(in, memory, p);
    CHECK_NOTHROW(validate(in, p));
    auto const ours = as_answer(p, ranks);
    auto const theirs = expected(line);
    CHECK(ours.assignments == theirs.assignments);
    CHECK(ours.transfers == theirs.transfers);
    CHECK(ours.transfers.size() == p.moves.size());
    CHECK(ours.rank_loads == theirs.rank_loads);
  }
}

TEST_CASE("golden plans: capacities are those of the sources, capped at the total",
          "[planner][golden]") {
  for (json const& line : golden_lines()) {
    INFO(line.at("id"));
    row_count total = 0;
    for (auto const& load : line.at("loads")) total += load.get<row_count>();
    auto const policy = policy_of(line);
    CHECK(capacity(policy.rules, policy.alpha, total, line.at("num_ranks").get<std::int32_t>()) ==
          std::min(line.at("capacity").get<row_count>(), total));
  }
}

TEST_CASE("golden plans: the ratios of the busiest to the mean are met", "[imbalance][golden]") {
  for (json const& line : golden_lines()) {
    INFO(line.at("id"));
    auto const load = line.at("loads").get<std::vector<row_count>>();
    auto const ranks = line.at("num_ranks").get<std::int32_t>();
    auto const owner = contiguous_owners(line.at("num_experts").get<std::int32_t>(), ranks);
    check_ratio(line.at("max_over_mean_ranks").get<double>(),
                loads_by_rank({ranks, owner, load, {}}));
    check_ratio(line.at("max_over_mean_experts").get<double>(), load);
  }
}

}  // namespace
