// SPDX-License-Identifier: Apache-2.0
#include <llep/detail/least_tree.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/testing/seeded.hpp>

namespace {

using llep::detail::least_tree;
using llep::testing::seeded;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Few values, so that many are equal, and the largest there are.
std::int64_t random_key(seeded& random) {
  if (random.chance(10)) return least_tree::never - random.between(0, 2);
  return random.chance(50) ? random.between(0, 3) : random.between(0, least_tree::never);
}

TEST_CASE("least_tree: the least key, of equal ones the first, after every change", "[planner]") {
  least_tree tree;  // one for all: what it held before changes nothing
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    std::vector<std::int64_t> keys(at(random.between(1, 20)));
    for (auto& key : keys) key = random_key(random);
    tree.start(keys);
    for (int change = 0; change < 50; ++change) {
      auto const naive = std::min_element(keys.begin(), keys.end()) - keys.begin();
      REQUIRE(tree.least() == naive);
      for (std::int32_t i = 0; i < std::ssize(keys); ++i) REQUIRE(tree.key(i) == keys[at(i)]);
      auto const i = static_cast<std::int32_t>(random.below(std::ssize(keys)));
      keys[at(i)] = random_key(random);
      tree.set(i, keys[at(i)]);
    }
  }
}

TEST_CASE("least_tree: where all keys are `never`, the first one is the least", "[planner]") {
  for (std::size_t n = 1; n <= 9; ++n) {
    CAPTURE(n);
    least_tree tree;
    tree.start(std::vector<std::int64_t>(n, 0));
    for (std::size_t i = n; i-- > 0;) tree.set(static_cast<std::int32_t>(i), least_tree::never);
    CHECK(tree.least() == 0);
    tree.start(std::vector<std::int64_t>(n, least_tree::never));
    CHECK(tree.least() == 0);
  }
}

}  // namespace
