// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace llep::testing {

/// A directory of its own, gone at the end.
class scratch_directory {
 public:
  scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "llep-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = name;
  }
  scratch_directory(scratch_directory const&) = delete;
  scratch_directory& operator=(scratch_directory const&) = delete;
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path operator/(std::string const& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(std::filesystem::path const& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write_text(std::filesystem::path const& path, std::string const& text) {
  std::ofstream(path, std::ios::binary) << text;
}

struct tool_run {
  int exit_code = -1;  ///< 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

/// How to start the program, where it isn't just its arguments.
struct tool_start {
  std::vector<std::string> arguments;
  std::string input;                      ///< what it reads from standard input
  std::filesystem::path directory = "/";  ///< where it is started
  std::filesystem::path output_to = {};   ///< where its output goes instead of tool_run::out
};

/// Runs the program that was built, and waits for it. Through files: pipes could fill up.
inline tool_run run_tool(tool_start const& how) {
  scratch_directory const files;
  write_text(files / "in", how.input);
  auto const in = (files / "in").string();
  auto const out = how.output_to.empty() ? (files / "out").string() : how.output_to.string();
  auto const err = (files / "err").string();
  auto const directory = how.directory.string();
  std::vector<std::string> words{LLEP_TOOL_PATH};
  words.insert(words.end(), how.arguments.begin(), how.arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);

  pid_t const child = fork();
  if (child < 0) throw std::runtime_error("can't fork");
  if (child == 0) {  // nothing here but system calls
    auto const stream = [](std::string const& path, int flags, int as) {
      int const file = open(path.c_str(), flags, 0600);
      if (file < 0 || dup2(file, as) < 0) _exit(126);
    };
    stream(in, O_RDONLY, 0);
    stream(out, O_WRONLY | O_CREAT, 1);
    stream(err, O_WRONLY | O_CREAT, 2);
    if (chdir(directory.c_str()) != 0) _exit(126);
    execv(pointers[0], pointers.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          how.output_to.empty() ? read_text(out) : std::string(), read_text(err)};
}

inline tool_run run_tool(std::vector<std::string> arguments, std::string input = "") {
  return run_tool(tool_start{std::move(arguments), std::move(input)});
}

/// The lines of a text; an end of line ends one.
inline std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace llep::testing
