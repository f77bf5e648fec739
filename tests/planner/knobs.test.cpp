// SPDX-License-Identifier: Apache-2.0
#include <llep/imbalance/tests.hpp>  // first: proves it needs no help
#include <llep/planner/capacity.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_predicate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <llep/planner/least_loaded.hpp>
#include <llep/testing/seeded.hpp>

namespace {

using namespace llep;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr row_count most = std::numeric_limits<row_count>::max();

// What the knob says when it refuses.
auto refusal_naming(std::string const& knob) {
  return Catch::Matchers::Predicate<error>(
      [knob](error const& e) {
        return e.code() == errc::invalid_argument && e.rank() == no_rank &&
               std::string(e.what()).find(knob) != std::string::npos;
      },
      "is an invalid_argument that names " + knob);
}

TEST_CASE("capacity_factor: refuses what is no positive number", "[planner][knobs]") {
  for (double const alpha : {nan, -nan, infinity, -infinity, 0.0, -0.0, -1.0, -1e-300}) {
    CAPTURE(alpha);
    CHECK_THROWS_MATCHES(capacity_factor(alpha), error, refusal_naming("capacity_factor (alpha)"));
  }
}

TEST_CASE("capacity_factor: is held in millionths, rounded to the nearest", "[planner][knobs]") {
  CHECK(capacity_factor().millionths() == 1'000'000);
  CHECK(capacity_factor().exact() == 1.0);
  CHECK(capacity_factor(1.1).millionths() == 1'100'000);
  CHECK(capacity_factor(1.2345674).millionths() == 1'234'567);
  CHECK(capacity_factor(1.2345676).millionths() == 1'234'568);
  CHECK(capacity_factor(0.0000004).millionths() == 0);
  CHECK(capacity_factor(0.0000006).millionths() == 1);
  CHECK(capacity_factor(1.2345674).exact() == 1.2345674);
  CHECK(capacity_factor(1e308).exact() == 1e308);
  // beyond every total over a million ranks, and still a number of 64 bits
  CHECK(capacity_factor(1e308).millionths() >= std::int64_t{1} << 58);
}

TEST_CASE("capacity_factor: equality looks at what was asked for", "[planner][knobs]") {
  CHECK(capacity_factor(1.5) == capacity_factor(1.5));
  CHECK(capacity_factor(1.0) == capacity_factor());
  CHECK_FALSE(capacity_factor(1.5) == capacity_factor(1.6));
}

TEST_CASE("chunk_rows: refuses negative numbers only", "[planner][knobs]") {
  for (row_count const rows : {row_count{-1}, std::numeric_limits<row_count>::min()})
    CHECK_THROWS_MATCHES(chunk_rows(rows), error, refusal_naming("min_chunk_rows (m)"));
  CHECK(chunk_rows().value() == 1024);
  CHECK(chunk_rows(0).value() == 0);
  CHECK(chunk_rows(most).value() == most);
}

TEST_CASE("imbalance_threshold: refuses what is no number from 1 on", "[imbalance][knobs]") {
  for (double const lambda : {nan, infinity, -infinity, 0.0, -1.3, 0.999, 0.9999999}) {
    CAPTURE(lambda);
    CHECK_THROWS_MATCHES(imbalance_threshold(lambda), error,
                         refusal_naming("imbalance_threshold (lambda)"));
  }
}

TEST_CASE("imbalance_threshold: is held in thousandths, rounded to the nearest",
          "[imbalance][knobs]") {
  CHECK(imbalance_threshold().milli() == 1300);
  CHECK(imbalance_threshold(1.0).milli() == 1000);
  CHECK(imbalance_threshold(1.3).milli() == 1300);
  CHECK(imbalance_threshold(1.0004).milli() == 1000);
  CHECK(imbalance_threshold(1.0006).milli() == 1001);
  CHECK(imbalance_threshold(2.6).milli() == 2600);
  CHECK(imbalance_threshold(1e300).milli() >= 1'000'000'000'000);
}

TEST_CASE("imbalance_threshold: a ratio equal to lambda is reached, one row less is not",
          "[imbalance]") {
  // mean 1000, busiest 1300
  CHECK(imbalance_threshold(1.3).reached_by(std::vector<row_count>{1300, 700, 1000}));
  CHECK_FALSE(imbalance_threshold(1.301).reached_by(std::vector<row_count>{1300, 700, 1000}));
  CHECK_FALSE(imbalance_threshold(1.3).reached_by(std::vector<row_count>{1299, 701, 1000}));
  CHECK(imbalance_threshold(1.0).reached_by(std::vector<row_count>{5, 5}));
  CHECK_FALSE(imbalance_threshold(1.001).reached_by(std::vector<row_count>{5, 5}));
  CHECK(imbalance_threshold(1.0).reached_by(std::vector<row_count>{5}));
  CHECK_FALSE(imbalance_threshold(1.001).reached_by(std::vector<row_count>{5}));
}

TEST_CASE("imbalance_threshold: the ratio is 1 when nothing is routed", "[imbalance]") {
  std::vector<row_count> const nothing(7, 0);
  CHECK(imbalance_threshold(1.0).reached_by(nothing));
  CHECK_FALSE(imbalance_threshold(1.001).reached_by(nothing));
  CHECK_FALSE(imbalance_threshold().reached_by(nothing));
}

TEST_CASE("imbalance_threshold: is exact up to totals of 2^63 - 1", "[imbalance]") {
  // everything on one of n: the ratio is n
  for (std::size_t const n : {1U, 2U, 3U, 1000U, 1'000'000U}) {
    CAPTURE(n);
    std::vector<row_count> load(n, 0);
    load[n / 2] = most;
    CHECK(imbalance_threshold(static_cast<double>(n)).reached_by(load));
    CHECK_FALSE(imbalance_threshold(static_cast<double>(n) + 0.001).reached_by(load));
    CHECK_FALSE(imbalance_threshold(1e300).reached_by(load));
  }
  // half the rows, and half a row less: no double tells them apart
  row_count const half = row_count{1} << 61;
  CHECK(imbalance_threshold(1.5).reached_by(std::vector<row_count>{3 * half / 2, half / 2}));
  CHECK_FALSE(
      imbalance_threshold(1.5).reached_by(std::vector<row_count>{3 * half / 2 - 1, half / 2 + 1}));
}

TEST_CASE("imbalance_threshold: random loads are judged by the ratio", "[imbalance]") {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    testing::seeded random(seed);
    std::vector<row_count> load(static_cast<std::size_t>(random.between(1, 9)));
    row_count total = 0;
    row_count busiest = 0;
    for (row_count& rows : load) {
      rows = random.between(0, 40);
      total += rows;
      busiest = std::max(busiest, rows);
    }
    auto const milli = random.between(1000, 4000);
    bool const uneven =
        total == 0 ? milli == 1000 : busiest * std::ssize(load) * 1000 >= milli * total;
    REQUIRE(imbalance_threshold(static_cast<double>(milli) / 1000).reached_by(load) == uneven);
  }
}

TEST_CASE("per_rank judges the ranks, per_expert the experts", "[imbalance]") {
  std::vector<row_count> const even{10, 10};
  std::vector<row_count> const uneven{10, 0, 0, 10};
  CHECK(per_rank{1.3}(uneven, even));
  CHECK_FALSE(per_rank{1.3}(even, uneven));
  CHECK(per_expert{1.3}(even, uneven));
  CHECK_FALSE(per_expert{1.3}(uneven, even));
  CHECK(per_rank{}.threshold.milli() == 1300);
  CHECK(per_expert{}.threshold.milli() == 1300);
}

TEST_CASE("policies: every field that can change a plan changes the digest",
          "[planner][imbalance][digest]") {
  least_loaded const plain;
  std::vector<std::uint64_t> const digests{
      plain.digest(),
      least_loaded{.alpha = 1.000001}.digest(),
      least_loaded{.min_chunk_rows = 1023}.digest(),
      least_loaded{.rules = lla_rules::paper}.digest(),
      least_loaded{.rules = lla_rules::reference}.digest(),
      least_loaded{.keep_small_excess_home = true}.digest(),
      // the public code's rules use every bit of the double
      least_loaded{.alpha = 1.0 + 1e-15, .rules = lla_rules::reference}.digest(),
      per_rank{}.digest(),
      per_rank{1.301}.digest(),
      per_expert{}.digest(),
      per_expert{1.301}.digest(),
  };
  CHECK(std::set(digests.begin(), digests.end()).size() == digests.size());
  CHECK(least_loaded{.alpha = 1.0, .min_chunk_rows = 1024}.digest() == plain.digest());
  CHECK(per_rank{1.3}.digest() == per_rank{}.digest());
  // beyond millionths and thousandths nothing changes a plan
  CHECK(least_loaded{.alpha = 1.0 + 1e-9}.digest() == plain.digest());
  CHECK(per_rank{1.3001}.digest() == per_rank{}.digest());
}

}  // namespace
