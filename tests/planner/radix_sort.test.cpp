// SPDX-License-Identifier: Apache-2.0
#include <llep/detail/radix_sort.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <llep/testing/seeded.hpp>

namespace {

using llep::detail::radix_sort;
using llep::testing::seeded;

/// Sorts entries of these keys, whose values are their positions, and holds them against the
/// standard library's stable sort.
void check(radix_sort& sort, std::vector<std::uint64_t> const& keys, std::uint64_t more_bits = 0) {
  std::vector<radix_sort::entry> entries;
  std::uint64_t used = more_bits;
  for (std::uint64_t const key : keys) {
    entries.push_back({key, static_cast<std::int32_t>(entries.size())});
    used |= key;
  }
  auto expected = entries;
  std::stable_sort(expected.begin(), expected.end(),
                   [](auto const& a, auto const& b) { return a.key < b.key; });
  sort(entries, used);
  REQUIRE(entries.size() == expected.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    REQUIRE(entries[i].key == expected[i].key);
    REQUIRE(entries[i].value == expected[i].value);
  }
}

TEST_CASE("radix_sort: by rising key, equal ones in order, of any number of bits", "[planner]") {
  radix_sort sort;  // one for all: its scratch changes nothing
  for (int bits = 0; bits <= 64; ++bits) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(bits, seed);
      seeded random(seed);
      std::vector<std::uint64_t> keys(static_cast<std::size_t>(random.between(0, 300)));
      for (auto& key : keys) {
        key = bits == 0 ? 0 : random.next() >> (64 - bits);
        if (random.chance(30)) key &= 3U;  // many are equal
      }
      check(sort, keys);
    }
  }
}

TEST_CASE("radix_sort: the least and the largest keys", "[planner]") {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  constexpr auto most_rows = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  radix_sort sort;
  check(sort, {});
  check(sort, {0});
  check(sort, {0, 0, 0});
  check(sort, {most, 0, most, 1, most - 1, 0});
  check(sort, {most_rows, 0, most_rows - 1, most_rows, 1});
  check(sort, {3, 1, 2, 1}, most);  // more bits than any key has
}

}  // namespace
