// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/refused.hpp"
#include "support/run_tool.hpp"

namespace {

using llep::testing::check_refused;
using llep::testing::read_text;
using llep::testing::run_tool;
using llep::testing::scratch_directory;
using llep::testing::tool_run;
using llep::testing::write_text;
using nlohmann::json;

std::string const good_line =
    R"({"id":"a","num_experts":2,"num_ranks":2,"alpha":1.0,"min_tokens_per_gemm":1,"loads":[3,4]})";

// The good line with one field's text replaced.
std::string with(std::string const& field, std::string const& value) {
  auto const from = good_line.find('"' + field + "\":") + field.size() + 3;
  auto const to =
      good_line[from] == '[' ? good_line.find(']', from) + 1 : good_line.find_first_of(",}", from);
  return good_line.substr(0, from) + value + good_line.substr(to);
}

std::string without(std::string const& field) {
  auto line = json::parse(good_line);
  line.erase(field);
  return line.dump();
}

// ---- layer cases -----------------------------------------------------------------------------

// A case of which header and data can be spoilt before the program sees them.
class spoilt_case {
 public:
  explicit spoilt_case(std::string const& original = "gptoss_06_uneven_ranks")
      : header(json::parse(read_text(path_of(original) + ".json"))),
        data(read_text(path_of(original) + ".bin")) {
    header["data_file"] = "spoilt.bin";
  }

  json& array(std::string const& name) {
    for (json& a : header["arrays"])
      if (a["name"] == name) return a;
    throw std::out_of_range(name);
  }

  tool_run run(std::string const& text) const {
    write_text(directory_ / "spoilt.json", text);
    write_text(directory_ / "spoilt.bin", data);
    return run_tool({"layer", (directory_ / "spoilt.json").string(), "--ranks", "2"});
  }
  tool_run run() const { return run(header.dump(1)); }

  json header;
  std::string data;

 private:
  static std::string path_of(std::string const& name) {
    return LLEP_TEST_DATA_DIR "/moe_layer/" + name;
  }
  scratch_directory directory_;
};

struct spoiling {
  std::function<void(spoilt_case&)> how;
  std::vector<std::string> words;
};

void check_spoilt(std::vector<spoiling> const& ways) {
  for (auto const& way : ways) {
    spoilt_case c;
    way.how(c);
    check_refused(c.run(), way.words);
  }
}

}  // namespace

TEST_CASE("bad usage: the message names the option and what it takes", "[tool]") {
  std::string const hot = LLEP_TEST_DATA_DIR "/moe_layer/swiglu_02_one_hot_expert.json";
  std::vector<std::pair<std::vector<std::string>, std::string>> const lines{
      {{}, "demo, layer, plan, replay or train"},
      {{"bogus"}, "bogus"},
      {{"--bogus"}, "--bogus"},
      {{"plan", "more"}, "more"},
      {{"plan", "--planner", "nobody"}, "--planner"},
      {{"plan", "--threshold", "0.5"}, "--threshold"},
      {{"plan", "--threshold"}, "--threshold"},
      {{"demo", "--ranks", "0"}, "--ranks"},
      {{"demo", "--ranks", "65"}, "--ranks"},
      {{"layer", "--ranks", "2"}, "CASE"},
      {{"layer", "", "--ranks", "2"}, "CASE"},
      {{"layer", "/no/such/file", "--ranks", "2"}, "/no/such/file"},
      {{"layer", "/", "--ranks", "2"}, "/: can't be read"},
      {{"layer", hot}, "--ranks"},
      {{"layer", hot, "--ranks", "2", "--ranks", "4"}, "--ranks"}};
  for (auto const& [arguments, word] : lines) check_refused(run_tool(arguments), {word});
}

TEST_CASE("bad usage: a value out of range is refused in words", "[tool]") {
  std::string const hot = LLEP_TEST_DATA_DIR "/moe_layer/swiglu_02_one_hot_expert.json";
  std::vector<std::pair<std::string, std::vector<std::string>>> const options{
      {"--alpha", {"nan", "inf", "0", "-1", "1e999", "", "one", "1,5"}},
      {"--min-tokens", {"-1", "1.5", "99999999999999999999", ""}},
      {"--threshold", {"nan", "0.99", "-inf", ""}},
      {"--planner", {"", "Least_Loaded"}},
      {"--row-order", {"globally"}},
      {"--dtype", {"f16"}},
      {"--backend", {"gpu", ""}},
      {"--kernel", {"cublas", ""}},
      {"--scheduler", {"turn"}},
      {"--seed", {"-1", "x"}},
      {"--repeat", {"0", "-3", "1e3"}}};
  for (auto const& [option, values] : options)
    for (auto const& value : values)
      check_refused(run_tool({"layer", hot, "--ranks", "2", option, value}), {option});
  for (std::string const ranks : {"0", "-2", "99999999999", "2.0", "0x2", "2 ", "", "3\n4"})
    check_refused(run_tool({"layer", hot, "--ranks", ranks}), {"--ranks"});
}

TEST_CASE("bad problems: the message names line and field", "[tool]") {
  std::vector<std::pair<std::string, std::string>> const fields{
      {"id", "3"},
      {"id", "null"},
      {"num_experts", "0"},
      {"num_experts", "3"},
      {"num_experts", "2.0"},
      {"num_experts", "\"2\""},
      {"num_experts", "true"},
      {"num_experts", "1048577"},
      {"num_experts", "-2"},
      {"num_experts", "18446744073709551615"},
      {"num_experts", "[2]"},
      {"num_ranks", "0"},
      {"num_ranks", "1048577"},
      {"num_ranks", "1e1"},
      {"num_ranks", "null"},
      {"alpha", "0"},
      {"alpha", "-1"},
      {"alpha", "\"1\""},
      {"alpha", "true"},
      {"alpha", "1e999"},
      {"min_tokens_per_gemm", "-1"},
      {"min_tokens_per_gemm", "0.5"},
      {"min_tokens_per_gemm", "9223372036854775808"},
      {"loads", "[3]"},
      {"loads", "[3,4,5]"},
      {"loads", "[3,-4]"},
      {"loads", "[3,1.5]"},
      {"loads", "[3,\"4\"]"},
      {"loads", "[3,true]"},
      {"loads", "[3,null]"},
      {"loads", "{}"},
      {"loads", "7"},
      {"loads", "[9223372036854775807,1]"},
      {"loads", "[9223372036854775808,1]"}};
  for (auto const& [field, value] : fields) {
    CAPTURE(value);
    auto const named = field == "num_experts" && value == "3" ? "loads" : field;
    check_refused(run_tool({"plan"}, good_line + "\n\n" + with(field, value) + '\n'),
                  {"stdin:3: ", named});
  }
  for (std::string const field :
       {"id", "num_experts", "num_ranks", "alpha", "min_tokens_per_gemm", "loads"})
    check_refused(run_tool({"plan"}, without(field)), {"stdin:1: ", field, "missing"});
}

TEST_CASE("bad problems: owners must be ranks, one an expert", "[tool]") {
  for (std::string const owners :
       {"[0]", "[0,1,1]", "[0,2]", "[0,-1]", "[0,0.5]", "\"01\"", "null"})
    check_refused(run_tool({"plan"}, with("loads", "[3,4],\"owners\":" + owners)),
                  {"stdin:1: ", "owners"});
}

TEST_CASE("bad problems: a text that isn't JSON is refused where it goes wrong", "[tool]") {
  for (std::size_t cut = 1; cut < good_line.size(); cut += 7)
    check_refused(run_tool({"plan"}, good_line + '\n' + good_line.substr(0, cut) + '\n'),
                  {"stdin:2: "});
  check_refused(run_tool({"plan"}, good_line + good_line), {"stdin:1: "});
  check_refused(run_tool({"plan"}, "[" + good_line + "]"), {"stdin:1: ", "object"});
  check_refused(run_tool({"plan"}, "\"text\""), {"stdin:1: "});
  check_refused(run_tool({"plan"}, with("id", "\"a\",\"id\":\"b\"")), {"id", "twice"});
  check_refused(run_tool({"plan"}, with("id", "\"\xFF\"")), {"stdin:1: ", "id"});
  check_refused(run_tool({"plan"}, with("id", "\"\n\"")), {"stdin:1: "});
  check_refused(run_tool({"plan"}, std::string(100'000, '[')), {"stdin:1: "});
  check_refused(run_tool({"plan"}, std::string("\0\0\0", 3)), {"stdin:1: "});
  check_refused(run_tool({"plan"}, with("loads", "[3,NaN]")), {"stdin:1: ", "loads"});
}

TEST_CASE("bad cases: a header's field is named with file and line", "[tool]") {
  using c = spoilt_case;
  std::vector<spoiling> ways{
      {[](c& x) { x.header["activation"] = "gelu"; }, {"activation", "gelu"}},
      {[](c& x) { x.header["swiglu_limit"] = 0; }, {"swiglu_limit"}},
      {[](c& x) { x.header["swiglu_alpha"] = "1.7"; }, {"swiglu_alpha"}},
      {[](c& x) { x.header["num_tokens"] = 45; }, {"tokens_per_rank"}},
      {[](c& x) { x.header["num_tokens"] = 44.0; }, {"num_tokens"}},
      {[](c& x) { x.header["num_experts"] = 0; }, {"num_experts"}},
      {[](c& x) { x.header["num_experts"] = 17; }, {"gate_up"}},
      {[](c& x) { x.header["top_k"] = 2147483647; }, {"top_k"}},
      {[](c& x) { x.header["hidden_size"] = 2147483647; }, {"shape"}},
      {[](c& x) { x.header["intermediate_size"] = -1; }, {"intermediate_size"}},
      {[](c& x) { x.header["expert_loads"][0] = 38; }, {"expert_loads"}},
      {[](c& x) { x.header["tokens_per_rank"]["2"][0] = 35; }, {"tokens_per_rank.2"}},
      {[](c& x) { x.header["tokens_per_rank"]["3"] = {22, 22}; }, {"tokens_per_rank.3"}},
      {[](c& x) { x.header["tokens_per_rank"]["2"][1] = "8"; }, {"tokens_per_rank.2[1]"}},
      {[](c& x) { x.header["data_file"] = ""; }, {"data_file"}},
      {[](c& x) { x.header["data_file"] = "other.bin"; }, {"other.bin"}},
      {[](c& x) { x.header["arrays"] = json::object(); }, {"arrays", "list"}}};
  for (auto& way : ways)
    if (way.words.front() != "other.bin") way.words.push_back("spoilt.json:");
  check_spoilt(ways);
  for (std::string const field :
       {"id", "activation", "num_tokens", "num_experts", "top_k", "hidden_size",
        "intermediate_size", "data_file", "data_bytes", "arrays", "swiglu_alpha", "swiglu_limit"})
    check_spoilt({{[&](c& x) { x.header.erase(field); }, {"spoilt.json:", field, "missing"}}});
}

TEST_CASE("bad cases: an array's field is named with file and line", "[tool]") {
  using c = spoilt_case;
  check_spoilt({
      {[](c& x) { x.array("down").erase("shape"); },
       {"spoilt.json:", "arrays[5].shape", "missing"}},
      {[](c& x) { x.array("down")["shape"] = {16, 12, 17}; }, {"arrays[5].shape", "16 x 12 x 16"}},
      {[](c& x) { x.array("down")["shape"] = {16, 192}; }, {"arrays[5].shape"}},
      {[](c& x) { x.array("down")["dtype"] = "f64"; }, {"arrays[5].dtype", "f32"}},
      {[](c& x) { x.array("out")["dtype"] = "bf16"; }, {"arrays[8].dtype", "f64"}},
      {[](c& x) { x.array("indices")["dtype"] = "f32"; }, {"arrays[1].dtype", "i32"}},
      {[](c& x) { x.array("down")["offset"] = -8; }, {"arrays[5].offset"}},
      {[](c& x) { x.array("down")["offset"] = 30340; }, {"arrays[5].offset", "multiple of 8"}},
      {[](c& x) { x.array("down")["offset"] = 137984; }, {"arrays[5].offset", "beyond"}},
      {[](c& x) { x.array("down")["offset"] = 9223372036854775800; }, {"arrays[5].offset"}},
      {[](c& x) { x.array("down")["offset"] = 42616; }, {"arrays", "overlap"}},
      {[](c& x) { x.array("down")["name"] = "up"; }, {"arrays[5].name", "up"}},
      {[](c& x) { x.array("down")["name"] = "gate_up"; }, {"arrays[5].name", "twice"}},
      {[](c& x) { x.header["arrays"].erase(14); }, {"arrays", "missing: grad_down_bias"}},
  });
}

TEST_CASE("bad cases: a data file that doesn't fit is named", "[tool]") {
  using c = spoilt_case;
  auto const put = [](std::size_t at, std::int32_t value) {
    return [at, value](c& x) { std::memcpy(x.data.data() + 2816 + 4 * at, &value, sizeof value); };
  };
  check_spoilt({
      {[](c& x) { x.data.resize(x.data.size() - 1); }, {"spoilt.bin", "137983", "137984"}},
      {[](c& x) { x.data.clear(); }, {"spoilt.bin"}},
      {[](c& x) { x.data += '\0'; }, {"spoilt.bin", "more than 137984 bytes"}},
      {[](c& x) { x.header["data_bytes"] = 8; }, {"spoilt.bin"}},
      {put(0, -1), {"spoilt.bin", "indices[0][0]", "-1"}},
      {put(175, 16), {"spoilt.bin", "indices[43][3]", "16"}},
  });
}

TEST_CASE("bad cases: a header that isn't JSON is refused at its line", "[tool]") {
  spoilt_case const c;
  auto const text = c.header.dump(1);
  for (std::size_t cut = 0; cut < text.size(); cut += text.size() / 20)
    check_refused(c.run(text.substr(0, cut)), {"spoilt.json:"});
  check_refused(c.run("{\n \"id\": \"a\",\n \"id\": \"b\"\n}"), {"spoilt.json:3: ", "id", "twice"});
  check_refused(c.run("{\n \"id\": 1\n}"), {"spoilt.json:2: ", "id"});
  check_refused(c.run("{\n\n \"id\": tru\n}"), {"spoilt.json:3: ", "id"});
}
