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

struct cannot_copy : host_device {
  int staging = 0;
  void* allocate_staging(byte_count bytes) { return ++staging, host_device::allocate(bytes); }
  void deallocate_staging(void* p) noexcept { --staging, host_device::deallocate(p); }
  void copy(queue&, void*, void const*, byte_count) { throw error(errc::device, "no copy"); }
};

TEST_CASE("conformance: a list gives back its memory when the device throws",
          "[conformance][device]") {
  cannot_copy device;
  auto q = device.make_queue();
  CHECK_THROWS_AS((on_device<cannot_copy, int>(device, q, {1, 2})), error);
  CHECK(device.staging == 0);
}

}  // namespace
