// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <llep/backends/emulated/run.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "stream_shelf.cuh"
#include "support/golden_case.hpp"
#include "tool/layer_case.hpp"

// The golden layers on P emulated ranks of one GPU, forward and backward, under EP and LLEP in both
// row orders. Run from the source tree: the layers lie in tests/data/moe_layer.

namespace {

using namespace llep;
using namespace llep::bench;

template <class Row>
struct on_gpu {
  template <class Family>
  using kernel = shelf_kernel<Family, Row>;
};

std::vector<std::string> layer_files(bool of_16_bits) {
  std::vector<std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator("tests/data/moe_layer")) {
    auto const name = entry.path().string();
    bool const is_16 = name.find("bf16") != std::string::npos;
    if (entry.path().extension() == ".json" && (is_16 || !of_16_bits)) files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) throw std::runtime_error("no golden layers in tests/data/moe_layer");
  return files;
}

/// Throws at the first number that is further off than accepted.
template <class Row>
void check_layer_file(std::string const& file, std::int32_t ranks) {
  auto const c = tool::read_layer_case(file);
  for (auto const& policies : testing::all_golden_policies()) {
    auto const errors = testing::golden_case_errors<on_gpu<Row>, Row>(c, policies, [&](auto body) {
      emulated::run(ranks, [] { return cuda::device<>(); }, body);
    });
    for (auto const& [name, error] : errors) {
      double const accepted = testing::golden_tolerance<Row>(c.array(name));
      if (error <= accepted) continue;
      char text[200];
      std::snprintf(text, sizeof text, "%s, P = %d: %s is off by %.3g, accepted is %.3g",
                    file.c_str(), static_cast<int>(ranks), name.c_str(), error, accepted);
      throw std::runtime_error(text);
    }
  }
}

template <class Row>
void check_rows_of(arguments const& given, report& to, time_budget const& budget,
                   std::vector<std::int32_t> const& all_ranks, std::string const& name) {
  auto files = layer_files(sizeof(Row) == 2);
  if (given.tiny()) files.resize(1);
  for (std::int32_t const ranks : all_ranks) {
    auto const what = "golden layers (" + std::to_string(files.size()) + "), " + name +
                      ", P = " + std::to_string(ranks);
    if (budget.is_left())
      to.check(what, [&] {
        for (auto const& file : files) check_layer_file<Row>(file, ranks);
      });
    else
      to.skipped(what, "no time left");
  }
}

void check_all(arguments const& given, report& to) {
  time_budget const budget(given.seconds);
  std::vector<std::int32_t> all{4, 8, 1, 2, 16};
  if (given.tiny()) all = {4};
  check_rows_of<cuda::bfloat16>(given, to, budget, all, "bfloat16");
  check_rows_of<float>(given, to, budget, all, "float");
  if (given.how != extent::full) all = {4};
  check_rows_of<double>(given, to, budget, all, "double");
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
