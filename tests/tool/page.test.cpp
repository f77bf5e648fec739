// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/refused.hpp"
#include "support/replay.hpp"
#include "support/run_tool.hpp"

namespace {

using llep::testing::json_of;
using llep::testing::read_text;
using llep::testing::replaced;
using llep::testing::replay_text;
using llep::testing::run_tool;
using llep::testing::scratch_directory;
using llep::testing::small_trace;
using llep::testing::tool_run;

// ---- a strict reader of markup: what it takes is well-formed ------------------------------------

/// Reads a page from tag to tag, and says what is wrong with it.
class markup_reader {
 public:
  explicit markup_reader(std::string_view page) : left_(page) {}

  /// Empty if nothing is wrong.
  std::string fault() {
    constexpr std::string_view doctype = "<!DOCTYPE html>\n";
    if (!left_.starts_with(doctype)) return "no doctype";
    left_.remove_prefix(doctype.size());
    while (fault_.empty() && !left_.empty()) {
      read_text();
      if (!left_.empty()) read_tag();
    }
    if (fault_.empty() && !open_.empty()) return "never closed: " + open_.back();
    return fault_;
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> const& tags() const {
    return tags_;
  }

 private:
  void fail(std::string const& what) {
    if (fault_.empty()) fault_ = what + " before: " + std::string(left_.substr(0, 80));
  }

  static bool is_entity(std::string_view text) {
    constexpr std::array names{"&lt;", "&gt;", "&amp;", "&quot;", "&#39;"};
    return std::any_of(names.begin(), names.end(),
                       [&](char const* name) { return text.starts_with(name); });
  }

  // Text, and the values of attributes.
  void check(std::string_view text) {
    if (open_.empty() && text.find_first_not_of(" \n") != std::string_view::npos)
      fail("text outside of everything");
    for (std::size_t i = 0; i < text.size(); ++i) {
      auto const byte = static_cast<unsigned char>(text[i]);
      if (byte == '<' || (byte < 0x20 && byte != '\n') || byte == 0x7F) fail("a stray character");
      if (byte == '&' && !is_entity(text.substr(i))) fail("a stray &");
    }
  }

  void read_text() {
    auto const text = left_.substr(0, left_.find('<'));
    left_.remove_prefix(text.size());
    check(text);
  }

  void read_tag() {
    auto tag = left_.substr(1, left_.find('>') - 1);
    left_.remove_prefix(std::min(left_.size(), tag.size() + 2));
    if (tag.starts_with('/')) {
      if (open_.empty() || open_.back() != tag.substr(1))
        return fail("closed: " + std::string(tag));
      return open_.pop_back();
    }
    bool const alone = tag.ends_with('/');
    if (alone) tag.remove_suffix(1);
    std::string const name(tag.substr(0, tag.find(' ')));
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz123456") != name.npos)
      return fail("no name of a tag: " + name);
    tags_.emplace_back(name, tag.substr(name.size()));
    if (!alone) open_.push_back(name);
    read_attributes(tag.substr(name.size()));
  }

  void read_attributes(std::string_view text) {
    while (!text.empty()) {
      auto const quote = text.find("=\"");
      auto const end = quote == text.npos ? text.npos : text.find('"', quote + 2);
      if (!text.starts_with(' ') || end == text.npos) return fail("no attribute");
      auto const name = text.substr(1, quote - 1);
      if (name.find_first_of(" \"'<>=") != name.npos) return fail("no name of an attribute");
      check(text.substr(quote + 2, end - quote - 2));
      text.remove_prefix(end + 1);
    }
  }

  std::string_view left_;
  std::string fault_;
  std::vector<std::string> open_;
  std::vector<std::pair<std::string, std::string>> tags_;  // name and attributes
};

bool has(std::string_view text, std::string_view what) { return text.find(what) != text.npos; }

bool is_word(std::string_view text, std::size_t at, std::size_t size) {
  auto const letter = [&](std::size_t i) {
    return i < text.size() && ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z');
  };
  return (at == 0 || !letter(at - 1)) && !letter(at + size);
}

bool has_word(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != text.npos; at = text.find(word, at + 1))
    if (is_word(text, at, word.size())) return true;
  return false;
}

// A drawing has a size and says what it shows, and no size is none.
bool is_sound(std::string const& name, std::string const& attributes) {
  bool const said = has(attributes, " aria-label=\"") || has(attributes, " aria-hidden=\"true\"");
  if (name == "svg" && (!has(attributes, " viewBox=\"0 0 ") || !said)) return false;
  constexpr std::array none{"viewBox=\"0 0 0", " width=\"-", " height=\"-", " width=\"0\"",
                            " height=\"0\""};
  return std::none_of(none.begin(), none.end(),
                      [&](char const* size) { return has(attributes, size); });
}

/// What holds for every page.
void check_page(std::string const& page) {
  markup_reader reader(page);
  CHECK(reader.fault().empty());
  for (auto const* outside :
       {"http:", "https:", "src=", "href=", "<script", "url(", "@import", "<link"}) {
    CAPTURE(outside);
    CHECK_FALSE(has(page, outside));
  }
  for (auto const* no_number : {"nan", "inf", "NaN", "-nan"})
    CHECK_FALSE(has_word(page, no_number));
  std::size_t drawings = 0;
  for (auto const& [name, attributes] : reader.tags()) {
    drawings += static_cast<std::size_t>(name == "svg");
    if (!is_sound(name, attributes)) FAIL_CHECK(name << attributes);
  }
  CHECK(drawings > 0);
  CHECK(has(page, "<meta charset=\"utf-8\"/>"));
  CHECK(has(page, "name=\"viewport\""));
}

// ---- pages --------------------------------------------------------------------------------------

struct replayed_page {
  tool_run run;
  std::string page;
};

replayed_page page_of(std::string const& trace, std::vector<std::string> options) {
  scratch_directory const files;
  auto const path = (files / "page.html").string();
  options.insert(options.end(), {"--html", path});
  auto run = replay_text(trace, options);
  CAPTURE(run.err);
  CHECK(run.exit_code == 0);
  return {std::move(run), read_text(path)};
}

std::string trace_text(std::string const& header, std::vector<std::string> const& rows) {
  std::string text = "# moe-load-trace 1\n# name: odd\n# src_ranks: 0\n" + header;
  for (std::size_t step = 0; step < rows.size(); ++step)
    text += std::to_string(step) + ",0,-1," + rows[step] + '\n';
  return text;
}

std::string two_digits(double value) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.2f", value);
  return text.data();
}

std::string cell(std::string const& words) { return "<td>" + words + "</td>"; }

// As the page writes a change, and whole numbers below a million.
std::string before_after(double before, double after) {
  return cell(two_digits(before) + "\u202F\u2192 " + two_digits(after));
}
std::string whole(std::int64_t value) {
  auto text = std::to_string(value);
  if (text.size() > 3) text.insert(text.size() - 3, "\u202F");
  return cell(text);
}

}  // namespace

TEST_CASE("page: the reader of markup finds faults", "[tool][page]") {
  auto const fault = [](std::string const& body) {
    return markup_reader("<!DOCTYPE html>\n" + body).fault();
  };
  CHECK(fault("<p class=\"a\">x &amp; <b>y</b><br/></p>\n").empty());
  CHECK(fault("<p>").starts_with("never closed: p"));
  for (auto const* bad :
       {"<p><b></p></b>", "<p>&</p>", "<p>a & b</p>", "<p class=a></p>", "<p x></p>",
        "<p title=\"a<b\"></p>", "<p>\x01</p>", "x<p></p>", "</p>", "<p></p></p>", "<p><</p>"}) {
    CAPTURE(bad);
    CHECK_FALSE(fault(bad).empty());
  }
}

TEST_CASE("page: a replay's page is whole in itself", "[tool][page]") {
  check_page(page_of(small_trace, {"--ranks", "2", "--min-tokens", "1"}).page);
}

TEST_CASE("page: a replay's table says what --json says", "[tool][page]") {
  auto const trace = read_text(LLEP_TEST_DATA_DIR "/../../examples/data/dsv2lite-law.csv");
  auto const [run, page] = page_of(trace, {"--ranks", "8", "--json", "--min-tokens", "64",
                                           "--planner", "least_loaded", "standard_ep"});
  check_page(page);
  CHECK(page.size() < 300'000);
  auto const sums = json_of(run)["summary"];
  REQUIRE(sums.size() == 2);
  for (auto const& sum : sums) {
    CAPTURE(sum);
    CHECK(has(page, cell(sum["planner"].get<std::string>())));
    CHECK(has(page, before_after(sum["max_over_mean_before"], sum["max_over_mean_after"])));
    CHECK(has(page,
              before_after(sum["worst_max_over_mean_before"], sum["worst_max_over_mean_after"])));
    CHECK(has(page, whole(sum["moves"])));
    CHECK(has(page, whole(sum["moved_rows"])));
    CHECK(has(page, whole(sum["max_fan_in"]) + whole(sum["max_fan_out"])));
  }
}

TEST_CASE("page: text of a trace stays text", "[tool][page]") {
  std::string const hostile = "<script>alert(1)</script>&\"'\x01\xFF\xC0\xAF</title>";
  auto const text = replaced(replaced(small_trace, "small", hostile), "# experts",
                             "# model: <b>&amp;\n# workload: \xE2\x80\xAE!\n# experts");
  auto const page = page_of(text, {"--ranks", "2"}).page;
  check_page(page);
  CHECK(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;\uFFFD\uFFFD\uFFFD\uFFFD"));
  CHECK(has(page, "&lt;b&gt;&amp;amp;"));
  CHECK_FALSE(has(page, "\xE2\x80\xAE"));  // it would turn the rest of the line around
  auto const many =
      page_of(replaced(small_trace, "small", std::string(500'000, '<')), {"--ranks", "2"});
  CHECK(many.page.size() < 100'000);
}

TEST_CASE("page: names of steps are shown and escaped", "[tool][page]") {
  auto const text = replaced(small_trace, "# steps", "# step_names: a<b | c&d\n# steps");
  auto const page = page_of(text, {"--ranks", "2"}).page;
  check_page(page);
  CHECK(has(page, "step 0 (a&lt;b)"));
  CHECK(has(page, ">c&amp;d</text>"));
}

TEST_CASE("page: odd traces make sensible pages", "[tool][page]") {
  std::string const one_layer = "# layers: 1\n";
  auto const one_expert = trace_text("# experts: 1\n# steps: 1\n" + one_layer, {"7"});
  auto const nothing = trace_text("# experts: 3\n# steps: 2\n" + one_layer, {"0,0,0", "0,0,0"});
  auto const huge = trace_text("# experts: 3\n# steps: 1\n" + one_layer,
                               {"9000000000000000000,1,100000000000000000"});
  for (auto const& trace : {small_trace, one_expert, nothing, huge})
    for (auto const* ranks : {"1", "2", "5", "12", "13", "33", "65", "1000", "100000"}) {
      CAPTURE(trace, ranks);
      check_page(page_of(trace, {"--ranks", ranks, "--min-tokens", "1"}).page);
    }
}

TEST_CASE("page: long traces are told in cells of several steps", "[tool][page]") {
  constexpr int steps = 1000;
  std::vector<std::string> rows;
  for (int step = 0; step < steps; ++step)
    rows.push_back(std::to_string(step % 17) + ",3,5," + std::to_string(step % 29));
  auto const text =
      trace_text("# experts: 4\n# layers: 1\n# steps: " + std::to_string(steps) + '\n', rows);
  auto const page = page_of(text, {"--ranks", "3", "--min-tokens", "1"}).page;
  check_page(page);
  CHECK(has(page, "A cell is the worst of 5 steps."));
  CHECK(page.size() < 100'000);
}

TEST_CASE("page: the longest recorded trace makes a small page", "[tool][page]") {
  auto const trace = read_text(LLEP_TEST_DATA_DIR "/../../examples/data/gptoss20b-decode.csv");
  for (auto const* ranks : {"8", "32"}) {
    auto const page = page_of(trace, {"--ranks", ranks, "--min-tokens", "16"}).page;
    check_page(page);
    CHECK(page.size() < 300'000);
  }
}

TEST_CASE("page: the demo's page says what its report says", "[tool][page]") {
  scratch_directory const files;
  auto const path = (files / "page.html").string();
  auto const run = run_tool({"demo", "--layers", "2", "--html", path});
  CHECK(run.exit_code == 0);
  auto const page = read_text(path);
  check_page(page);
  CHECK(page.size() < 100'000);
  CHECK(has(page, "<b>bit-identical</b>"));
  CHECK(has(run.out, "layer 19        EP: rows, max/mean 2.32"));
  CHECK(has(page, cell("19") + cell("2.32\u202F\u2192 1.00")));
}

TEST_CASE("page: a file that can't be written is refused", "[tool][page]") {
  scratch_directory const files;
  for (auto const& path : {(files / "no" / "page.html").string(), std::string("/dev/full")}) {
    CAPTURE(path);
    if (path == "/dev/full" && !std::filesystem::exists(path)) continue;
    llep::testing::check_refused(replay_text(small_trace, {"--ranks", "2", "--html", path}),
                                 {path, "can't be written"});
  }
}
