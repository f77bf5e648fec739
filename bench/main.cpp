// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core_probe.hpp"

namespace {

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

/// Shows what --benchmark_format asks for, and notes whether a run failed.
class reporter : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(Context const& context) override { return shown_.ReportContext(context); }
  void ReportRuns(std::vector<Run> const& runs) override {
    for (auto const& run : runs) failed_ = failed_ || has_failed(run);
    shown_.ReportRuns(runs);
  }
  void Finalize() override { shown_.Finalize(); }

  [[nodiscard]] bool failed() const { return failed_; }

 private:
  // A template, so that the branch of another version of Google Benchmark isn't compiled.
  template <class R>
  static bool has_failed(R const& run) {
    if constexpr (requires { run.error_occurred; })
      return run.error_occurred;  // up to 1.7
    else
      return run.skipped != decltype(run.skipped){};
  }

  benchmark::BenchmarkReporter& shown_ = *benchmark::CreateDefaultDisplayReporter();  // not ours
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  double load[3] = {};
  if (getloadavg(load, 3) == 3)
    benchmark::AddCustomContext("load_average", two_digits(load[0]) + " " + two_digits(load[1]) +
                                                    " " + two_digits(load[2]));
  double const cores = llep::bench::two_core_probe();
  benchmark::AddCustomContext(
      "two_core_probe",
      two_digits(cores) + (cores < 1.85 ? " of 2: wall clock of two threads lies" : " of 2"));
  benchmark::AddCustomContext("compiler", LLEP_BENCH_COMPILER);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  reporter noted;
  benchmark::RunSpecifiedBenchmarks(&noted);
  benchmark::Shutdown();
  return noted.failed() ? 1 : 0;
}
