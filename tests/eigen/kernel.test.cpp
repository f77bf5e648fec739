// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <llep/kernel/loops.hpp>

#include "eigen/sample_experts.hpp"

namespace {

using namespace llep;
using testing::at;
using testing::families;
using testing::family_of;
using testing::seeded;

template <class Family>
using layer = testing::sample_experts<Family>;

constexpr std::size_t guard = 64;  // elements behind the work that nobody may touch

/// y as `kernel` computes it; y and the work hold NaNs before.
template <class Kernel, class Family>
std::vector<typename Family::element> computed(layer<Family> const& l,
                                               std::span<row_group<Family::blocks> const> groups) {
  using T = typename Family::element;
  Kernel kernel(l.family, {});
  host_device::queue q;
  std::vector<T> y(l.x.size(), std::numeric_limits<T>::quiet_NaN());
  auto const bytes = at(kernel.work_bytes(l.rows_by_group));
  std::vector<T> work((bytes + sizeof(T) - 1) / sizeof(T) + guard);
  std::memset(work.data(), 0xFF, work.size() * sizeof(T));
  kernel.forward(q, groups, l.x.data(), y.data(), work.data());
  auto const* const raw = reinterpret_cast<unsigned char const*>(work.data());
  CHECK(std::all_of(raw + bytes, raw + work.size() * sizeof(T),
                    [](unsigned char c) { return c == 0xFF; }));
  return y;
}

template <class Family>
auto on_eigen(layer<Family> const& l) {
  return computed<eigen::kernel<Family>, Family>(l, l.groups);
}

/// The same rows computed, close to the loops kernel's; all others still the NaN they were.
template <class Family>
void check_against_loops(layer<Family> const& l) {
  using T = typename Family::element;
  auto const got = on_eigen(l);
  auto const expected = computed<loops_kernel<Family>, Family>(l, l.groups);
  double const epsilon = std::numeric_limits<T>::epsilon();
  double const accepted = epsilon * (16 + 2 * std::sqrt(static_cast<double>(l.family.hidden)));
  double worst = 0;
  double largest = 1;
  std::int64_t strays = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(got[i]) != std::isnan(expected[i])) ++strays;
    if (std::isnan(got[i]) || std::isnan(expected[i])) continue;
    worst = std::max(worst, static_cast<double>(std::abs(got[i] - expected[i])));
    largest = std::max(largest, static_cast<double>(std::abs(expected[i])));
  }
  CHECK(strays == 0);
  CHECK(worst <= accepted * largest);
}

/// Every row alone gives the bits that it has among all others.
template <class Family>
void check_rows_alone(layer<Family> const& l, row_count step) {
  auto const together = on_eigen(l);
  auto const row_bytes = at(l.family.hidden) * sizeof(together[0]);
  for (auto const& g : l.groups)
    for (row_count row = g.first; row < g.first + g.rows; row += step) {
      CAPTURE(g.expert, row);
      auto alone = g;
      alone.first = row;
      alone.rows = 1;
      auto const y = computed<eigen::kernel<Family>, Family>(l, std::span(&alone, 1));
      auto const first = at(row * l.family.hidden);
      REQUIRE(std::memcmp(&y[first], &together[first], row_bytes) == 0);
    }
}

TEMPLATE_LIST_TEST_CASE("eigen: neither cutting into tiles nor into chunks and blocks shows",
                        "[eigen]", families) {
  using T = typename TestType::element;
  constexpr auto depth = eigen::detail::block_sizes<T>::depth;
  constexpr auto chunk = eigen::detail::chunk_columns<T>;
  seeded random(3);
  layer<TestType> const many_rows(
      random, 5, 3, {eigen::detail::most_tile_rows + 1, 1, 3 * eigen::detail::most_tile_rows - 2});
  check_against_loops(many_rows);
  check_rows_alone(many_rows, 37);
  layer<TestType> const wide(random, 9, chunk + 7, {5, 4});
  check_against_loops(wide);
  check_rows_alone(wide, 1);
  layer<TestType> const deep(random, eigen::detail::block_sizes<T>::columns + depth + 3, 11, {6});
  check_against_loops(deep);
  check_rows_alone(deep, 5);
}

TEMPLATE_LIST_TEST_CASE("eigen: a NaN in a row makes that row NaN, and no other", "[eigen]",
                        families) {
  seeded random(7);
  layer<TestType> l(random, 21, 18, {6, 9});
  auto const before = on_eigen(l);
  auto const& g = l.groups.back();
  row_count const sick = g.first + 4;
  l.x[at(sick * 21 + 2)] = std::numeric_limits<typename TestType::element>::quiet_NaN();
  auto const after = on_eigen(l);
  for (std::int64_t i = 0; i < std::ssize(after); ++i) {
    CAPTURE(i);
    if (i / 21 == sick)
      CHECK(std::isnan(after[at(i)]));
    else
      CHECK(std::memcmp(&after[at(i)], &before[at(i)], sizeof before[0]) == 0);
  }
}

TEST_CASE("eigen: gpt-oss's clamps let a NaN of either side through", "[eigen]") {
  seeded random(1);
  for (std::int64_t const sick : {0, 1, 66, 67, 130, 131}) {  // gates and ups
    layer<gptoss_expert<float>> l(random, 3, 70, {5});
    l.weights[0][1][at(sick)] = std::numeric_limits<float>::quiet_NaN();
    auto const y = on_eigen(l);
    for (row_count r = l.groups[0].first; r < l.groups[0].first + 5; ++r)
      CHECK(std::isnan(y[at(3 * r)]));
  }
}

TEST_CASE("eigen: large inner activations saturate as in the loops kernel", "[eigen]") {
  seeded random(2);
  layer<swiglu_expert<float>> l(random, 6, 40, {7});
  for (std::size_t b = 0; b < 2; ++b)
    for (float& w : l.weights[0][b]) w *= 1000.0F;  // exp over- and underflows
  check_against_loops(l);
}

TEST_CASE("eigen: work that isn't aligned will do", "[eigen]") {
  seeded random(4);
  layer<gptoss_expert<double>> const l(random, 17, 9, {6, 3});
  eigen::kernel<gptoss_expert<double>> kernel(l.family, {});
  auto const expected = on_eigen(l);
  auto const bytes = at(kernel.work_bytes(l.rows_by_group));
  std::vector<std::byte> work(bytes + 64);
  for (std::size_t offset = 0; offset < 64; offset += 8) {
    std::vector<double> y(l.x.size());
    host_device::queue q;
    kernel.forward(q, l.groups, l.x.data(), y.data(), work.data() + offset);
    auto const first = at(l.groups[0].first * 17);
    CHECK(std::equal(y.begin() + l.groups[0].first * 17, y.begin() + (l.groups[0].first + 6) * 17,
                     expected.begin() + std::ptrdiff_t(first)));
  }
}

// ---- what the dispatcher asks ---------------------------------------------------------------

TEMPLATE_LIST_TEST_CASE("eigen: its digest isn't the loops kernel's", "[eigen]", families) {
  auto const family = family_of<TestType>(5, 3);
  CHECK(eigen::kernel<TestType>(family, {}).digest() !=
        loops_kernel<TestType>(family, {}).digest());
}

TEST_CASE("eigen: work is bounded however many rows and inner columns there are", "[eigen]") {
  eigen::kernel<swiglu_expert<float>> const some({64, 1 << 14}, {});
  eigen::kernel<swiglu_expert<float>> const more({64, 1 << 20}, {});
  std::vector<row_count> const rows{eigen::detail::most_tile_rows};
  std::vector<row_count> const many{1000 * eigen::detail::most_tile_rows};
  CHECK(some.work_bytes(rows) == some.work_bytes(many));
  CHECK(some.work_bytes(rows) == more.work_bytes(rows));
}

template <class Family>
concept has_kernel = requires { typename eigen::kernel<Family>; };
struct own_family : linear_expert<float> {};
static_assert(trainable_family<own_family>);

TEST_CASE("eigen: there are kernels of the core's three families, and of no other", "[eigen]") {
  STATIC_REQUIRE(has_kernel<gptoss_expert<double>>);
  STATIC_REQUIRE_FALSE(has_kernel<own_family>);
  STATIC_REQUIRE_FALSE(has_kernel<linear_expert<long double>>);
  STATIC_REQUIRE_FALSE(has_kernel<int>);
}

TEST_CASE("eigen: a hidden size whose tiles can't be counted in bytes is refused", "[eigen]") {
  using narrow = eigen::kernel<swiglu_expert<float>>;
  using narrow_double = eigen::kernel<gptoss_expert<double>>;
  for (int power = 45; power <= 56; ++power) {
    CAPTURE(power);
    CHECK_NOTHROW(loops_kernel<swiglu_expert<float>>({std::int64_t{1} << power, 1}, {}));
    CHECK_THROWS_AS((narrow{{std::int64_t{1} << power, 1}, {}}), error);
    CHECK_THROWS_AS((narrow_double{{(std::int64_t{1} << (power - 1)) - 1, 1}, {}}), error);
  }
  constexpr std::int64_t large = std::int64_t{1} << 43;
  narrow const accepted({large, 1}, {});
  for (row_count const rows : {1, 511, 512, 513, 1025}) {
    CAPTURE(rows);
    byte_count const input = std::min<row_count>(rows, 256) * large * 4;
    for (auto const bytes :
         {accepted.work_bytes(std::array{rows}), accepted.backward_work_bytes(std::array{rows})}) {
      CHECK(bytes > 0);
      CHECK(bytes <= (byte_count{1} << 56) + 128);
      if (rows % 4 != 0) CHECK(bytes > input);  // copies of it
    }
  }
}

TEST_CASE("eigen: sizes below 1 are refused as by the loops kernel", "[eigen]") {
  CHECK_THROWS_AS(eigen::kernel<linear_expert<float>>({0}, {}), error);
  CHECK_THROWS_AS(eigen::kernel<swiglu_expert<double>>({3, -1}, {}), error);
  CHECK_THROWS_AS((eigen::kernel<gptoss_expert<float>>({3, 3, 1.7, 0}, {})), error);
}

}  // namespace
