// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <sys/resource.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "samples.hpp"

// What a file that includes the library costs to compile, at -O0, in CPU time of the compiler.

namespace llep::bench {
namespace {

double child_seconds() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  auto const seconds = [](timeval t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// A folder that is there as long as this is.
class scratch_folder {
 public:
  scratch_folder() {
    std::error_code none;
    auto name = (std::filesystem::temp_directory_path(none) / "llep-compile-XXXXXX").string();
    if (!none && mkdtemp(name.data()) != nullptr) path_ = name;
  }
  scratch_folder(scratch_folder const&) = delete;
  scratch_folder& operator=(scratch_folder const&) = delete;
  ~scratch_folder() {
    std::error_code ignored;  // it is in /tmp
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

  /// Empty if there is none.
  [[nodiscard]] std::filesystem::path const& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void compile(benchmark::State& state, std::string const& text, double target_seconds) {
  scratch_folder const scratch;
  if (scratch.path().empty()) return state.SkipWithError("there is no room for a file");
  auto const file = scratch.path() / "includes.cpp";
  std::ofstream(file) << text << "int main() {}\n";
  std::string const command = LLEP_BENCH_COMPILE " -c -o /dev/null \"" + file.string() + "\"";
  auto const compiles = [&command] { return std::system(command.c_str()) == 0; };
  if (!compiles()) return state.SkipWithError("the compiler failed");  // the files are in memory
  std::vector<double> seconds;
  for (auto step : state) {
    static_cast<void>(step);
    double const before = child_seconds();
    if (!compiles()) {
      state.SkipWithError("the compiler failed");
      break;
    }
    seconds.push_back(child_seconds() - before);
    state.SetIterationTime(seconds.back());
  }
  if (seconds.empty()) return;
  state.counters["median_s"] = median(seconds);
  if (target_seconds > 0) state.counters["target_s"] = target_seconds;
}

void all_of_it(benchmark::State& state) { compile(state, "#include <llep/llep.hpp>\n", 2.0); }
// What of that is the standard library's: the headers that ours include most.
void standard_only(benchmark::State& state) {
  compile(state,
          "#include <algorithm>\n#include <array>\n#include <memory>\n#include <span>\n"
          "#include <string>\n#include <vector>\n",
          0);
}
BENCHMARK(all_of_it)
    ->Name("compile/llep.hpp/-O0")
    ->Iterations(5)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);
BENCHMARK(standard_only)
    ->Name("compile/standard_headers_only/-O0")
    ->Iterations(5)
    ->UseManualTime()
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace llep::bench
