// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "core_probe.hpp"

namespace {

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

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
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
