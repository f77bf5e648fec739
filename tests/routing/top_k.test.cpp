// SPDX-License-Identifier: Apache-2.0
#include <llep/routing/top_k.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <llep/testing/seeded.hpp>

#include "support/routing_case.hpp"

namespace {

using namespace llep;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::vector<std::int32_t> best_of(std::vector<double> const& scores, std::int64_t k) {
  std::vector<std::int32_t> best(static_cast<std::size_t>(k), -1);
  top_k(scores.data(), std::ssize(scores), best.data(), k);
  return best;
}

using ids = std::vector<std::int32_t>;

TEST_CASE("top_k: the greatest come first, equals in the order of their ids", "[routing]") {
  CHECK(best_of({1, 4, 2, 3}, 2) == ids{1, 3});
  CHECK(best_of({1, 4, 2, 3}, 4) == ids{1, 3, 2, 0});
  CHECK(best_of({2, 2, 2, 2}, 3) == ids{0, 1, 2});
  CHECK(best_of({1, 2, 1, 2, 2}, 2) == ids{1, 3});
  CHECK(best_of({0.0, -0.0, 0.0}, 2) == ids{0, 1});
  CHECK(best_of({5}, 1) == ids{0});
}

TEST_CASE("top_k: NaN is below everything, by id among its like", "[routing]") {
  CHECK(best_of({nan, -infinity, nan, 1}, 4) == ids{3, 1, 0, 2});
  CHECK(best_of({nan, nan, 1}, 2) == ids{2, 0});
  CHECK(best_of({-nan, nan}, 2) == ids{0, 1});
  CHECK(best_of({1, nan, 0}, 2) == ids{0, 2});
  CHECK(best_of({infinity, nan, infinity}, 2) == ids{0, 2});
}

TEMPLATE_TEST_CASE("top_k: it selects what a stable sort puts first", "[routing]", std::int32_t,
                   std::int64_t) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    testing::seeded random(seed);
    auto const n = random.between(1, 40);
    auto const k = random.between(1, n);
    std::vector<float> scores;
    for (std::int64_t i = 0; i < n; ++i)
      scores.push_back(random.chance(10) ? std::numeric_limits<float>::quiet_NaN()
                                         : static_cast<float>(random.between(-6, 6)));
    std::vector<TestType> order(scores.size());
    std::iota(order.begin(), order.end(), TestType{0});
    auto const value = [&](TestType i) {  // NaN below all that is there
      float const x = scores[static_cast<std::size_t>(i)];
      return std::isnan(x) ? -7.0F : x;
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](TestType a, TestType b) { return value(a) > value(b); });
    order.resize(static_cast<std::size_t>(k));
    std::vector<TestType> best(order.size(), -1);
    top_k(scores.data(), n, best.data(), k);
    REQUIRE(best == order);
  }
}

TEST_CASE("top_k: a k below 1 or above n is refused, and so are positions beyond an id",
          "[routing]") {
  testing::check_refused("top_k: k", [] { best_of({1, 2}, 3); });
  double const score = 1;
  std::int32_t best = -1;
  testing::check_refused("top_k: k", [&] { top_k(&score, 1, &best, 0); });
  testing::check_refused("top_k: k", [&] { top_k(&score, 0, &best, 1); });
  testing::check_refused("top_k: k", [&] { top_k(&score, (std::int64_t{1} << 31) + 1, &best, 1); });
  CHECK(best == -1);
}

}  // namespace
