// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/kernel.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;

template <class Device, template <class> class Kernel>
void check_families(std::uint64_t seeds) {
  Device device;
  auto q = device.make_queue();
  auto const make = make_kernel_like<Kernel>();
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    check_kernel(device, q, linear_expert<float>{}, make, seed, {.rows_stand_alone = true});
    check_kernel(device, q, linear_expert<double>{}, make, seed, {.rows_stand_alone = true});
    check_kernel(device, q, swiglu_expert<float>{}, make, seed, {.rows_stand_alone = true});
    check_kernel(device, q, swiglu_expert<double>{}, make, seed, {.rows_stand_alone = true});
    check_kernel(device, q, gptoss_expert<float>{{}, {}, 1.702, 0.75}, make, seed,
                 {.rows_stand_alone = true});
    check_kernel(device, q, gptoss_expert<double>{{}, {}, 1.702, 0.75}, make, seed,
                 {.rows_stand_alone = true});
  }
}

TEST_CASE("conformance: the loops kernel keeps its promises", "[conformance][kernel]") {
  CHECK_NOTHROW(check_families<host_device, loops_kernel>(30));
}

TEST_CASE("conformance: a kernel on a device with streams keeps its promises",
          "[conformance][kernel]") {
  CHECK_NOTHROW(check_families<stream_device, stream_kernel>(10));
}

}  // namespace
