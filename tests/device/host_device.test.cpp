// SPDX-License-Identifier: Apache-2.0
#include <llep/device/host.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

// That it keeps the promises of a device is looked at in conformance/device.test.cpp; this is what
// the host grants besides.

namespace {

using namespace llep;

TEST_CASE("host device: nothing can be allocated, copied and cleared", "[device]") {
  host_device device;
  auto q = device.make_queue();
  device.deallocate(device.allocate(0));
  device.deallocate_staging(device.allocate_staging(0));
  CHECK_NOTHROW(device.copy(q, nullptr, nullptr, 0));
  CHECK_NOTHROW(device.zero(q, nullptr, 0));
  CHECK_NOTHROW(
      device.index(q, matrix_ref<std::int32_t const>(nullptr, 0, 2), 0, nullptr, nullptr, nullptr));
}

}  // namespace
