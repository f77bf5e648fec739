// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "support/refused.hpp"
#include "support/run_tool.hpp"

namespace {

using llep::testing::check_refused;
using llep::testing::lines_of;
using llep::testing::run_tool;
using llep::testing::scratch_directory;
using llep::testing::write_text;

// "  loss            6.023 -> 1.213 nats a byte": the two numbers.
std::vector<double> losses(std::string const& report) {
  auto const at = report.find("  loss  ");
  REQUIRE(at != std::string::npos);
  std::size_t used = 0;
  std::string const from = report.substr(at + 8);
  double const first = std::stod(from, &used);
  return {first, std::stod(from.substr(from.find("->") + 2))};
}

}  // namespace

TEST_CASE("train: a model learns, by EP and by LLEP alike, on any number of ranks", "[tool]") {
  for (std::string const ranks : {"1", "3"}) {
    CAPTURE(ranks);
    auto const run = run_tool({"train", "--ranks", ranks, "--steps", "12"});
    CHECK(run.exit_code == 0);
    CHECK(run.err.empty());
    auto const loss = losses(run.out);
    CHECK(loss[0] > 5);
    CHECK(loss[1] < loss[0] - 1);
    CHECK(run.out.find("rounding") != std::string::npos);
    for (auto const& line : lines_of(run.out)) CHECK(line.size() <= 100);
  }
}

TEST_CASE("train: what forward keeps changes memory and nothing else", "[tool]") {
  std::vector<std::string> const plain{"train", "--ranks", "4", "--steps", "3"};
  auto thrifty = plain;
  thrifty.insert(thrifty.end(), {"--recompute", "--lend-again", "--resend-outputs"});
  auto const kept = run_tool(plain);
  auto const again = run_tool(thrifty);
  CHECK(again.exit_code == 0);
  auto const steps = [](std::string const& report) {
    return report.substr(0, report.find("peak memory"));
  };
  CHECK(steps(kept.out) == steps(again.out));
  CHECK(kept.out != again.out);
}

TEST_CASE("train: learns from a text of one's own, and writes a page", "[tool]") {
  scratch_directory const folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the same words, over and over. ";
  write_text(folder / "words.txt", text);
  auto const page = (folder / "page.html").string();
  auto const run = run_tool({"train", "--ranks", "2", "--steps", "30", "--text",
                             (folder / "words.txt").string(), "--html", page});
  CHECK(run.exit_code == 0);
  CHECK(losses(run.out)[1] < 2.5);
  auto const html = llep::testing::read_text(page);
  CHECK(html.find("<svg") != std::string::npos);
  CHECK(html.find("http") == std::string::npos);
}

TEST_CASE("train: bad usage is refused", "[tool]") {
  auto const refused = [](std::vector<std::string> const& arguments, std::string const& word) {
    CAPTURE(arguments);
    check_refused(run_tool(arguments), {word});
  };
  refused({"train", "--steps", "0"}, "--steps");
  refused({"train", "--ranks", "65"}, "--ranks");
  refused({"train", "--html", ""}, "--html");
  refused({"train", "--kernel", "none"}, "--kernel");
  refused({"train", "--min-tokens", "-1"}, "--min-tokens: must be a whole number of at least 0");
}

TEST_CASE("train: a text that can't be had is refused, saying why", "[tool]") {
  scratch_directory const folder;
  write_text(folder / "short.txt", "12345678");
  write_text(folder / "empty.txt", "");
  std::filesystem::create_directory(folder / "links");
  std::filesystem::create_symlink(folder / "short.txt", folder / "links" / "to_a_file");
  std::filesystem::create_symlink("loop", folder / "loop");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  auto const refused = [&](std::string const& path, std::string const& why) {
    CAPTURE(path);
    check_refused(run_tool({"train", "--text", path}), {"--text: ", why});
  };
  auto const in_folder = [&](char const* name, std::string const& why) {
    auto const path = (folder / name).string();
    refused(path, path + why);
  };
  in_folder("short.txt", ": needs more than 8 bytes");
  in_folder("empty.txt", ": has no text to learn from");
  in_folder("links", ": has no text to learn from");
  in_folder("none.txt", ": can't be opened: No such file or directory");
  in_folder("loop", ": can't be opened: Too many levels of symbolic links");
  in_folder("pipe", ": is neither a file nor a folder");
  refused("/dev/zero", "/dev/zero: is neither a file nor a folder");
  refused("", "must not be empty");
  if (geteuid() == 0) return;  // who may read everything
  std::filesystem::permissions(folder / "links", std::filesystem::perms::none);
  in_folder("links", ": can't be read: Permission denied");
}

TEST_CASE("train: a page that can't be written is refused before, not after", "[tool]") {
  scratch_directory const folder;
  auto const page = (folder / "no" / "page.html").string();
  check_refused(run_tool({"train", "--ranks", "1", "--steps", "1000000", "--html", page}),
                {page, "can't be written: No such file or directory"});
}

TEST_CASE("train: --min-tokens is told as by the other commands", "[tool]") {
  auto const words = [](std::string const& command) {
    auto const help = run_tool({command, "--help"}).out;
    auto const first = help.find("--min-tokens");
    REQUIRE(first != std::string::npos);
    return help.substr(first, help.find('[', first) - first);
  };
  CHECK(words("train") == words("layer"));
  CHECK(words("train") == words("replay"));
}
