// SPDX-License-Identifier: Apache-2.0
#include "tool/device_lists.hpp"  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <cstdint>
#include <vector>

#include <llep/device/host.hpp>

#include "support/golden_layer.hpp"
#include "support/sanitizers.hpp"
#include "support/stream_device.hpp"

namespace {

using namespace llep;
using llep::testing::stream_device;
using llep::tool::device_lists;

TEST_CASE("device_lists: where the host reaches device memory they are the host's lists",
          "[tool]") {
  host_device device;
  host_device::queue q;
  device_lists lists(device, q);
  std::vector<float> numbers{1, 2, 3, 4, 5, 6};
  CHECK(lists.of(matrix_ref(numbers.data(), 2, 3)).data == numbers.data());
  std::vector<std::array<float*, 2>> const experts{{}, {numbers.data(), numbers.data() + 2}};
  CHECK(lists.of(experts, {2, 4}) == experts);
  lists.fetch();
  CHECK(numbers == std::vector<float>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("device_lists: elsewhere they are copies, and come back if they may be written to",
          "[tool]") {
  stream_device device;
  stream_device::queue q;
  device_lists lists(device, q);
  std::vector<float> from{1, 2, 3};
  std::vector<float> to{7, 8, 9};
  auto const read = lists.of(matrix_ref<float const>(from.data(), 1, 3));
  auto const written = lists.of(matrix_ref(to.data(), 1, 3));
  REQUIRE(read.data != from.data());
  REQUIRE(written.data != to.data());
  device.copy(q, written.data, read.data, 2 * sizeof(float));
  CHECK(to == std::vector<float>{7, 8, 9});
  from[0] = 5;  // a copy has been taken, and nothing is written over this
  lists.fetch();
  CHECK(to == std::vector<float>{1, 2, 9});
  CHECK(from == std::vector<float>{5, 2, 3});
}

TEST_CASE("device_lists: blocks of experts are copied each to 256 bytes, and nulls stay",
          "[tool]") {
  stream_device device;
  stream_device::queue q;
  device_lists lists(device, q);
  std::vector<double> numbers{1, 2, 3, 4, 5, 6};
  double* const n = numbers.data();
  auto const placed =
      lists.of(std::vector<std::array<double*, 2>>{{}, {n, n + 1}, {n + 3, n + 4}}, {1, 2});
  REQUIRE(placed.size() == 3);
  CHECK(placed[0] == std::array<double*, 2>{});
  for (std::size_t e : {1U, 2U})
    for (double const* const block : placed[e])
      CHECK(reinterpret_cast<std::uintptr_t>(block) % 256 == 0);
  device.copy(q, placed[1][1], placed[2][1], 2 * sizeof(double));
  lists.fetch();
  CHECK(numbers == std::vector<double>{1, 5, 6, 4, 5, 6});
}

TEST_CASE("device_lists: empty matrices are null, and others must be packed", "[tool]") {
  stream_device device;
  stream_device::queue q;
  device_lists lists(device, q);
  std::vector<float> numbers(6);
  CHECK(lists.of(matrix_ref(numbers.data(), 0, 3)).data == nullptr);
  CHECK(lists.of(std::vector<std::array<float*, 1>>(2), {3}) ==
        std::vector<std::array<float*, 1>>(2));
  CHECK_THROWS_AS(lists.of(matrix_ref(numbers.data(), 2, 2, 3)), error);
  lists.fetch();
}

struct on_streams {
  template <class Family>
  using kernel = llep::testing::stream_kernel<Family>;
  static stream_device make_device() { return {}; }
};

TEST_CASE("device_lists: golden layers come out right on a device that the host gets ahead of",
          "[tool][golden]") {
  llep::testing::check_golden_layers<on_streams>(
      {.ranks = {1, 4}, .stride = llep::testing::sanitized ? 199 : 67});
}

}  // namespace
