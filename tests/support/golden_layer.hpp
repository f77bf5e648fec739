// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>

#include "support/golden_case.hpp"
#include "tool/layer_case.hpp"

namespace llep::testing {

// Golden layers, forward, through everything that may not change a bit of them. `Kernels` says by
// which kernel and on which device: Kernels::kernel<Family> and Kernels::make_device(), which a
// rank's thread calls.

/// What of it is run.
struct golden_effort {
  std::vector<std::int32_t> ranks{1, 2, 4, 8};
  int stride = 1;  ///< of so many combinations in turn one
};

/// The combinations, in one order.
class golden_turn {
 public:
  explicit golden_turn(int stride) : stride_(stride) {}

  /// Whether the next one is run.
  [[nodiscard]] bool takes() { return count_++ % stride_ == 0; }

 private:
  int stride_;
  int count_ = 0;
};

inline std::vector<std::string> golden_layer_files() {
  std::vector<std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator(LLEP_TEST_DATA_DIR "/moe_layer"))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

template <class Kernels, emulated::placement Placement, class T, class Family>
std::vector<T> golden_outputs(golden_inputs<T> const& in, Family const& family, std::int32_t ranks,
                              golden_policies const& policies, emulated::options const& how) {
  auto out = not_computed<T>(in.hidden.size());
  emulated::run<Placement>(
      ranks, Kernels::make_device,
      [&](auto& group) { run_golden_rank<Kernels>(group, in, family, policies, out); }, how);
  return out;
}

template <class Kernels, class Family>
void check_golden_family(tool::layer_case const& c, Family const& family,
                         std::vector<std::int32_t> const& all_ranks, golden_turn& turn) {
  using T = typename Family::element;
  using emulated::placement;
  using emulated::scheduling;
  golden_inputs<T> const in(c);
  auto const every = all_golden_policies();
  auto const reference =
      golden_outputs<Kernels, placement::segments>(in, family, 1, every.front(), {});
  auto const& expected = c.array("out");
  REQUIRE(reference.size() == expected.values.size());
  CHECK(golden_error(reference, expected) <= golden_tolerance<T>(expected));
  for (std::int32_t const ranks : all_ranks) {
    for (auto const& how :
         {emulated::options{scheduling::concurrent}, emulated::options{scheduling::turns, 11}}) {
      for (std::size_t i = 0; i < every.size(); ++i) {
        CAPTURE(ranks, how.seed, i);
        auto const check = [&]<placement Placement>() {
          if (turn.takes())
            CHECK(golden_outputs<Kernels, Placement>(in, family, ranks, every[i], how) ==
                  reference);
        };
        check.template operator()<placement::segments>();
        check.template operator()<placement::packed>();
      }
    }
  }
}

/// Calls check(case, family) with every case's family of experts, in float and in double.
template <class Check>
void for_golden_layers(Check check) {
  auto const files = golden_layer_files();
  REQUIRE(files.size() == 25);
  for (auto const& file : files) {
    CAPTURE(file);
    auto const c = tool::read_layer_case(file);
    with_golden_family<float>(c, [&](auto const& family) { check(c, family); });
    with_golden_family<double>(c, [&](auto const& family) { check(c, family); });
  }
}

/// All cases in float and double: within tolerance, and bit-identical for all P, EP and LLEP, row
/// orders, placements and schedulings.
template <class Kernels>
void check_golden_layers(golden_effort const& effort = {}) {
  golden_turn turn(effort.stride);
  for_golden_layers([&](tool::layer_case const& c, auto const& family) {
    check_golden_family<Kernels>(c, family, effort.ranks, turn);
  });
}

}  // namespace llep::testing
