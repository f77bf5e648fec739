// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/backends/emulated/run.hpp>
#include <llep/testing/abort.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/device.hpp>
#include <llep/testing/kernel.hpp>
#include <llep/testing/layer.hpp>
#include <llep/testing/training_device.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::options;
using emulated::placement;
using emulated::scheduling;

void check_seed(kokkos_device& device, std::uint64_t seed) {
  auto q = device.make_queue();
  check_device(device, q, seed);
  check_training_device<float, float, float>(device, q, seed);
  check_training_device<float, double, float>(device, q, seed);
  check_training_device<double, float, double>(device, q, seed);
  check_training_device<double, double, double>(device, q, seed);
}

TEST_CASE("conformance: the Kokkos device keeps its promises", "[conformance][kokkos]") {
  auto device = make_kokkos_device();
  for (std::uint64_t seed = 0; seed < cases(300); ++seed) CHECK_NOTHROW(check_seed(device, seed));
}

// The thread sanitizer doesn't see how libgomp's threads wait for each other.
#if defined(KOKKOS_ENABLE_OPENMP) && !defined(__SANITIZE_THREAD__)
TEST_CASE("conformance: a Kokkos device of three threads keeps its promises",
          "[conformance][kokkos]") {
  kokkos::device<Kokkos::OpenMP> device(Kokkos::OpenMP(3));
  for (std::uint64_t seed = 0; seed < cases(40); ++seed) CHECK_NOTHROW(check_seed(device, seed));
}
#endif

TEST_CASE("conformance: the Kokkos kernels keep their promises", "[conformance][kokkos]") {
  auto device = make_kokkos_device();
  auto q = device.make_queue();
  auto const check = [&](auto const& family, std::uint64_t seed, row_count rows,
                         expert_sizes const& sizes) {
    CHECK_NOTHROW(check_kernel(device, q, family, make_kernel_like<on_kokkos::kernel>(), seed,
                               {.rows_stand_alone = true, .most_rows = rows, .sizes = sizes}));
  };
  auto const check_families = [&](std::uint64_t seed, row_count rows, expert_sizes const& sizes) {
    check(linear_expert<float>{}, seed, rows, sizes);
    check(linear_expert<double>{}, seed, rows, sizes);
    check(swiglu_expert<float>{}, seed, rows, sizes);
    check(swiglu_expert<double>{}, seed, rows, sizes);
    check(gptoss_expert<float>{{}, {}, 1.702, 0.75}, seed, rows, sizes);
    check(gptoss_expert<double>{{}, {}, 1.702, 0.75}, seed, rows, sizes);
  };
  for (std::uint64_t seed = 0; seed < cases(30); ++seed) check_families(seed, 70, {});
  for (std::uint64_t seed = 30; seed < 30 + cases(10); ++seed)
    check_families(seed, 20, {200, 200});  // more than a tile is wide and deep
  check_families(40, 300, {20, 20});       // and long
}

template <placement Placement>
void check_ranks(std::int32_t ranks, options const& how) {
  emulated::run<Placement>(
      ranks, make_kokkos_device,
      [](auto& group) {
        auto q = group.device().make_queue();
        for (std::uint64_t seed = 0; seed < cases(20); ++seed) check_communicator(group, q, seed);
      },
      how);
}

TEST_CASE("conformance: the emulated communicator keeps its promises between Kokkos devices",
          "[conformance][kokkos]") {
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    for (options const how : {options{scheduling::concurrent}, options{scheduling::turns, 7}}) {
      CAPTURE(ranks, how.how);
      CHECK_NOTHROW(check_ranks<placement::segments>(ranks, how));
      CHECK_NOTHROW(check_ranks<placement::packed>(ranks, how));
    }
  }
}

TEST_CASE("conformance: an emulated group of Kokkos devices goes down as promised",
          "[conformance][kokkos]") {
  for (std::int32_t const ranks : {1, 2, 8}) {
    for (std::uint64_t seed = 0; seed < cases(20); ++seed) {
      CAPTURE(ranks, seed);
      auto const how = seed % 3 == 0 ? options{} : options{scheduling::turns, seed};
      CHECK_NOTHROW(emulated::run(
          ranks, make_kokkos_device,
          [seed](auto& group) {
            auto q = group.device().make_queue();
            check_abort(group, q, seed);
          },
          how));
    }
  }
}

template <placement Placement, class Family>
void check_layers(std::int32_t ranks, Family const& family) {
  emulated::run<Placement>(ranks, make_kokkos_device, [&](auto& group) {
    auto q = group.device().make_queue();
    for (std::uint64_t seed = 0; seed < cases(10); ++seed)
      check_layer(group, q, family, make_kernel_like<on_kokkos::kernel>(), seed);
  });
}

TEST_CASE("conformance: layers over emulated Kokkos ranks are the dense layer",
          "[conformance][kokkos]") {
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(check_layers<placement::segments>(ranks, swiglu_expert<double>{}));
    CHECK_NOTHROW(
        check_layers<placement::packed>(ranks, gptoss_expert<float>{{}, {}, 1.702, 0.75}));
  }
}

}  // namespace
