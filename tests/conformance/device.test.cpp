// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/device.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/device/host.hpp>
#include <llep/testing/training_device.hpp>

#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;

template <class Device>
void check_seeds(std::uint64_t seeds) {
  Device device;
  auto q = device.make_queue();
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    check_device(device, q, seed);
    check_training_device<float, float, float>(device, q, seed);
    check_training_device<float, double, float>(device, q, seed);
    check_training_device<double, float, double>(device, q, seed);
    check_training_device<double, double, double>(device, q, seed);
  }
}

TEST_CASE("conformance: the host device keeps its promises", "[conformance][device]") {
  CHECK_NOTHROW(check_seeds<host_device>(300));
}

TEST_CASE("conformance: the device with streams keeps its promises", "[conformance][device]") {
  CHECK_NOTHROW(check_seeds<stream_device>(40));
}

}  // namespace
