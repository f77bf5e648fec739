// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
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
using llep::testing::write_text;
using nlohmann::json;
using numbers = std::vector<std::int64_t>;
using ratios = std::vector<double>;

// A record with fields that Megatron-LM writes and nobody here needs.
std::string record(std::int64_t step, std::int64_t layer, std::int64_t rank, json const& tokens) {
  json const line{{"step", step},       {"stage", "pre_dispatch"},
                  {"block", "decoder"}, {"layer", layer},
                  {"rank", rank},       {"num_tokens", tokens.size()},
                  {"topk", 2},          {"top_indices", tokens},
                  {"hs_offset", 4096}};
  return line.dump() + '\n';
}
std::string mtp_record(std::int64_t step, std::int64_t idx, std::int64_t layer,
                       json const& tokens) {
  auto line = json::parse(record(step, layer, 0, tokens));
  line["block"] = "mtp";
  line["mtp_idx"] = idx;
  return line.dump() + '\n';
}

// One step of two layers and two ranks; loads 3 1 1 1, then 0 2 0 4.
std::string const of_rank_0 = record(5, 1, 0, {{0, 1}, {2, 0}}) + record(5, 2, 0, {{3, 1}, {1, 3}});
std::string const of_rank_1 = record(5, 1, 1, {{0, 3}}) + record(5, 2, 1, {{3, 3}});

std::vector<std::string> const two{"--ranks", "2", "--experts", "4"};

void check_both_ranks(llep::testing::tool_run const& run) {
  CHECK(run.err.empty());
  auto const all = json_of(run);
  CHECK(column<std::int64_t>(all["rows"], "step") == numbers{5, 5});
  CHECK(column<std::int64_t>(all["rows"], "layer") == numbers{1, 2});
  CHECK(column<double>(all["rows"], "max_over_mean_before") == ratios{4.0 * 2 / 6, 4.0 * 2 / 6});
  CHECK(column<std::int64_t>(all["imbalance"]["rows"], "busiest_expert") == numbers{0, 3});
  CHECK(column<double>(all["imbalance"]["rows"], "expert_max_over_mean") ==
        ratios{3.0 * 4 / 6, 4.0 * 4 / 6});
}

std::vector<std::string> with_json(std::vector<std::string> options) {
  options.push_back("--json");
  return options;
}

}  // namespace

TEST_CASE("router trace: several ranks' records may be one file, in any order", "[tool][replay]") {
  check_both_ranks(replay_text(of_rank_0 + of_rank_1, with_json(two)));
  check_both_ranks(replay_text("\n \r\n" + of_rank_1 + "\n" + of_rank_0, with_json(two)));
}

TEST_CASE("router trace: a directory holds one file a rank", "[tool][replay]") {
  scratch_directory const files;
  std::filesystem::create_directory(files / "run7");
  write_text(files / "run7/router_trace_rank0.jsonl", of_rank_0);
  write_text(files / "run7/router_trace_rank1.jsonl", of_rank_1);
  write_text(files / "run7/router_trace_rank1.jsonl.old", "junk");
  write_text(files / "run7/hidden_states_rank0.bin", "junk");
  auto const run = replay_file((files / "run7").string(), with_json(two));
  check_both_ranks(run);
  CHECK(json_of(run)["trace"] == "run7");
  CHECK(json_of(replay_file((files / "run7/").string(), with_json(two)))["trace"] == "run7");
}

TEST_CASE("router trace: one rank's file alone is a trace of one rank", "[tool][replay]") {
  auto const all = json_of(replay_text(of_rank_0, with_json(two)));
  CHECK(column<double>(all["imbalance"]["rows"], "rank_max_over_mean") == ratios{1.5, 1});
}

TEST_CASE("router trace: without --experts there is a note, and the largest id counts",
          "[tool][replay]") {
  auto const run = replay_text(of_rank_0 + of_rank_1, {"--ranks", "2"});
  CHECK(run.exit_code == 0);
  CHECK(run.err.find("--experts isn't given, so there are 4") != std::string::npos);
  CHECK(llep::testing::lines_of(run.err).size() == 1);
  CHECK(run.out.find("experts  4, 2 a token (the largest id seen") != std::string::npos);
  auto const eight = replay_text(of_rank_0 + of_rank_1, {"--ranks", "2", "--experts", "8"});
  CHECK(eight.err.empty());
  CHECK(eight.out.find("experts  8, 2 a token\n") != std::string::npos);
}

TEST_CASE("router trace: block may be left out, and mtp layers follow the decoder's",
          "[tool][replay]") {
  auto const plain = replaced(record(0, 4, 0, {{0, 1}}), "\"block\":\"decoder\",", "");
  auto const all =
      json_of(replay_text(mtp_record(0, 1, 1, {{3, 3}}) + plain + mtp_record(0, 0, 1, {{1, 1}}) +
                              record(0, 2, 0, {{0, 0}}) + mtp_record(0, 0, 2, {{2, 2}}),
                          with_json(two)));
  CHECK(column<std::int64_t>(all["rows"], "layer") == numbers{2, 4, 5, 6, 7});
  CHECK(column<std::int64_t>(all["imbalance"]["rows"], "busiest_expert") == numbers{0, 0, 1, 2, 3});
}

TEST_CASE("router trace: an expert that a token names twice has two rows", "[tool][replay]") {
  auto const all = json_of(replay_text(record(0, 0, 0, {{1, 1}, {0, 1}}), with_json(two)));
  CHECK(column<double>(all["imbalance"]["rows"], "expert_max_over_mean") == ratios{3});
}

TEST_CASE("router trace: ranks without tokens are ranks", "[tool][replay]") {
  auto const all = json_of(
      replay_text(record(0, 0, 0, json::array()) + record(0, 0, 1, {{3, 3}}), with_json(two)));
  CHECK(column<double>(all["rows"], "max_over_mean_before") == ratios{2});
  check_refused(replay_text(record(0, 0, 0, json::array()), {"--ranks", "2"}),
                {"trace.csv:1: top_indices"});
}

TEST_CASE("router trace: a field that doesn't hold is named by file and line", "[tool][replay]") {
  struct spoilt {
    std::string what, by, words;
  };
  std::vector<spoilt> const ways{
      {"\"step\":5", "\"step\":-1", "step: must be a whole number"},
      {"\"step\":5", "\"step\":1.5", "step: must be a whole number"},
      {"\"step\":5", "\"step\":NaN", "step"},
      {"\"step\":5", "\"step\":1e400", ""},
      {"\"step\":5,", "", "step: missing"},
      {"\"layer\":1", "\"layer\":\"1\"", "layer: must be a whole number"},
      {"\"layer\":1,", "", "layer: missing"},
      {"\"rank\":1", "\"rank\":1048576", "rank: must be"},
      {"\"rank\":1", "\"rank\":null", "rank: must be"},
      {"\"rank\":1,", "", "rank: missing"},
      {"\"block\":\"decoder\"", "\"block\":\"encoder\"", "block: must be decoder or mtp"},
      {"\"block\":\"decoder\"", "\"block\":3", "block: must be a text"},
      {"\"block\":\"decoder\"", "\"block\":\"mtp\"", "mtp_idx: missing"},
      {"\"num_tokens\":1", "\"num_tokens\":2", "num_tokens: top_indices holds 1"},
      {"\"num_tokens\":1,", "", "num_tokens: missing"},
      {"\"topk\":2", "\"topk\":3", "top_indices[0]: holds 2 experts, topk says 3"},
      {"\"topk\":2", "\"topk\":0", "topk: must be"},
      {"[[0,3]]", "[[0,4]]", "top_indices[0][1]: must be a whole number from 0 to 3"},
      {"[[0,3]]", "[[-1,3]]", "top_indices[0][0]: must be"},
      {"[[0,3]]", "[[0,3.0]]", "top_indices[0][1]: must be"},
      {"[[0,3]]", "[0]", "top_indices[0]: must be a list"},
      {"[[0,3]]", "7", "top_indices: must be a list"},
      {"[[0,3]]", "[[0,3]", ""},
      {"\"step\":5", "\"step\":5,\"step\":5", "step: named twice"}};
  for (auto const& way : ways) {
    CAPTURE(way.what, way.by);
    check_refused(replay_text(of_rank_0 + replaced(of_rank_1, way.what, way.by), two),
                  {"trace.csv:3: ", way.words});
  }
  check_refused(replay_text(of_rank_0 + "[]\n", two), {"trace.csv:3: ", "object"});
  check_refused(replay_text(of_rank_0 + "{\"step\"", two), {"trace.csv:3: "});
}

TEST_CASE("router trace: every rank must have one record of every step and layer",
          "[tool][replay]") {
  check_refused(replay_text(of_rank_0 + of_rank_1 + record(6, 1, 0, {{0, 1}}), two),
                {"trace.csv:5: rank: ", "no record of rank 1 of 2"});
  check_refused(replay_text(of_rank_0 + record(5, 1, 2, {{0, 1}}), two),
                {"trace.csv:1: rank: ", "no record of rank 1 of 3"});
  check_refused(replay_text(of_rank_0 + of_rank_0, two),
                {"trace.csv:3: rank: 0 has a record", "trace.csv:1"});
  // each of these few bytes would ask for gigabytes
  check_refused(replay_text(record(0, 0, 1'048'575, {{0, 1'048'575}}), {"--ranks", "2"}),
                {"trace.csv:1: rank: ", "no record of rank 0"});
}

TEST_CASE("router trace: a trace of too many counts is refused before it takes all memory",
          "[tool][replay]") {
  std::string text;
  for (std::int64_t step = 0; step < 129; ++step) text += record(step, 0, 0, {{0, 1'048'575}});
  check_refused(replay_text(text, {"--ranks", "2"}),
                {"trace.csv:1: ", "129 (step, layer) pairs", "more than 134217728 counts"});
}

TEST_CASE("router trace: a directory without traces, or with an empty one, is refused",
          "[tool][replay]") {
  scratch_directory const files;
  std::filesystem::create_directory(files / "run");
  check_refused(replay_file((files / "run").string(), two), {"run: holds no file router_trace"});
  write_text(files / "run/router_trace_rank0.jsonl", of_rank_0);
  write_text(files / "run/router_trace_rank1.jsonl", "\n");
  check_refused(replay_file((files / "run").string(), two),
                {"router_trace_rank1.jsonl:1: record: the file holds none"});
  write_text(files / "run/router_trace_rank1.jsonl", "# not JSON\n");
  check_refused(replay_file((files / "run").string(), two), {"router_trace_rank1.jsonl:1: "});
  std::filesystem::create_directory(files / "run/router_trace_rank2.jsonl");
  check_refused(replay_file((files / "run").string(), two), {"router_trace_rank"});
}
