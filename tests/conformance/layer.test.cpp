// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/layer.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <exception>

#include <llep/backends/emulated/run.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/testing/kernel.hpp>

#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::options;
using emulated::placement;
using emulated::scheduling;

template <class Device, placement Placement, template <class> class Kernel, class Family>
void check_ranks(std::int32_t ranks, Family const& family, std::uint64_t seeds,
                 options const& how) {
  auto const ends = emulated::try_run<Placement>(
      ranks, [] { return Device(); },
      [&](auto& group) {
        auto q = group.device().make_queue();
        for (std::uint64_t seed = 0; seed < seeds; ++seed)
          check_layer(group, q, family, make_kernel_like<Kernel>(), seed);
      },
      how);
  if (ends.first) std::rethrow_exception(ends.first);
}

template <class Family>
void check_everywhere(Family const& family) {
  for (std::int32_t const ranks : {1, 2, 3, 5, 8}) {
    for (options const how : {options{scheduling::concurrent}, options{scheduling::turns, 5}}) {
      CAPTURE(ranks, how.how);
      CHECK_NOTHROW(
          check_ranks<host_device, placement::segments, loops_kernel>(ranks, family, 10, how));
      CHECK_NOTHROW(
          check_ranks<host_device, placement::packed, loops_kernel>(ranks, family, 10, how));
    }
  }
}

TEST_CASE("conformance: layers over emulated ranks are the dense layer, gpt-oss's experts",
          "[conformance][layer]") {
  check_everywhere(gptoss_expert<float>{{}, {}, 1.702, 0.75});
}

TEST_CASE("conformance: layers over emulated ranks are the dense layer, SwiGLU experts",
          "[conformance][layer]") {
  check_everywhere(swiglu_expert<double>{});
}

TEST_CASE("conformance: layers on a device with streams are the dense layer",
          "[conformance][layer]") {
  CHECK_NOTHROW(check_ranks<stream_device, placement::packed, stream_kernel>(
      3, linear_expert<double>{}, 4, {}));
}

}  // namespace
