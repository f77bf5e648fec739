// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/promise.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <limits>
#include <vector>

namespace {

using namespace llep::testing;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("conformance: numbers are close by the scale of the finite ones",
          "[conformance][promise]") {
  witness const sees("list", 0);
  std::vector<double> const expected{inf, nan, -inf, 8.0};
  auto const accepts = [&](std::vector<double> const& got) {
    try {
      sees.close(got, expected, 0.25, "close");
      return true;
    } catch (broken_promise const&) {
      return false;
    }
  };
  CHECK(accepts(expected));
  CHECK(accepts({inf, nan, -inf, 10.0}));
  CHECK_FALSE(accepts({inf, nan, -inf, 10.5}));
  CHECK_FALSE(accepts({inf, nan, -inf, inf}));
  CHECK_FALSE(accepts({inf, nan, inf, 8.0}));
  CHECK_FALSE(accepts({1e300, nan, -inf, 8.0}));
  CHECK_FALSE(accepts({nan, nan, -inf, 8.0}));
  CHECK_FALSE(accepts({inf, inf, -inf, 8.0}));
  CHECK_FALSE(accepts({inf, nan, -inf}));
}

}  // namespace
