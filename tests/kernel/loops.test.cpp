// SPDX-License-Identifier: Apache-2.0
#include <llep/kernel/loops.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <llep/testing/seeded.hpp>

namespace {

using namespace llep;
using testing::seeded;
using real = long double;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---- the formulas, term by term -------------------------------------------------------------

real sigmoid(real z) { return 1 / (1 + std::exp(-z)); }

// Column j of x W; W has `columns` columns.
template <class T>
real dot(std::vector<real> const& x, T const* w, std::int64_t columns, std::int64_t j) {
  real sum = 0;
  for (std::int64_t i = 0; i < std::ssize(x); ++i)
    sum += x[at(i)] * static_cast<real>(w[i * columns + j]);
  return sum;
}

template <class T>
std::vector<real> formula(linear_expert<T> const& f, std::vector<real> const& x,
                          std::array<T const*, 1> w) {
  std::vector<real> y;
  for (std::int64_t j = 0; j < f.hidden; ++j) y.push_back(dot(x, w[0], f.hidden, j));
  return y;
}

template <class T>
std::vector<real> formula(swiglu_expert<T> const& f, std::vector<real> const& x,
                          std::array<T const*, 3> w) {
  std::vector<real> h;
  for (std::int64_t i = 0; i < f.inner; ++i) {
    real const gate = dot(x, w[0], f.inner, i);
    h.push_back(gate * sigmoid(gate) * dot(x, w[1], f.inner, i));
  }
  std::vector<real> y;
  for (std::int64_t j = 0; j < f.hidden; ++j) y.push_back(dot(h, w[2], f.hidden, j));
  return y;
}

template <class T>
std::vector<real> formula(gptoss_expert<T> const& f, std::vector<real> const& x,
                          std::array<T const*, 4> w) {
  std::vector<real> h;
  for (std::int64_t i = 0; i < f.inner; ++i) {
    real const z = dot(x, w[0], 2 * f.inner, 2 * i) + static_cast<real>(w[1][2 * i]);
    real const v = dot(x, w[0], 2 * f.inner, 2 * i + 1) + static_cast<real>(w[1][2 * i + 1]);
    real const gate = std::min(z, static_cast<real>(f.limit));
    real const up = std::max(-static_cast<real>(f.limit), std::min(v, static_cast<real>(f.limit)));
    h.push_back((up + 1) * gate * sigmoid(static_cast<real>(f.alpha) * gate));
  }
  std::vector<real> y;
  for (std::int64_t j = 0; j < f.hidden; ++j)
    y.push_back(dot(h, w[2], f.hidden, j) + static_cast<real>(w[3][j]));
  return y;
}

// ---- experts with weights -------------------------------------------------------------------

template <class Family>
Family family_of(std::int64_t hidden, std::int64_t inner) {
  if constexpr (Family::blocks == 1)
    return {hidden};
  else if constexpr (Family::blocks == 3)
    return {hidden, inner};
  else
    return {hidden, inner, 1.702, 0.75};  // a limit that values do reach
}

template <class T>
std::vector<T> numbers(seeded& random, std::int64_t n) {
  std::vector<T> list(at(n));
  for (T& value : list) value = static_cast<T>(2 * random.real() - 1);
  return list;
}

/// Experts of one family, and rows for them.
template <class Family>
struct layer {
  using T = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;

  Family family;
  std::vector<std::array<std::vector<T>, blocks>> weights;
  std::vector<row_group<blocks>> groups;
  std::vector<row_count> rows_by_group;
  std::vector<T> x;

  layer(seeded& random, std::int64_t hidden, std::int64_t inner)
      : family(family_of<Family>(hidden, inner)) {
    row_count next = 0;
    auto const experts = random.between(1, 3);
    weights.resize(at(experts));  // stay where they are from here on
    for (expert_id e = 0; e < experts; ++e) {
      next += random.between(0, 2);  // rows of no group
      row_group<blocks> group{e, next, random.between(1, 4), {}};
      for (std::size_t b = 0; b < blocks; ++b) {
        weights[at(e)][b] = numbers<T>(random, family.block_elements()[b]);
        group.weights[b] = weights[at(e)][b].data();
      }
      next += group.rows;
      groups.push_back(group);
      rows_by_group.push_back(group.rows);
    }
    x = numbers<T>(random, (next + 1) * hidden);
  }

  [[nodiscard]] std::vector<std::array<T const*, blocks>> native() const {
    std::vector<std::array<T const*, blocks>> list(weights.size());
    for (std::size_t e = 0; e < weights.size(); ++e)
      for (std::size_t b = 0; b < blocks; ++b) list[e][b] = weights[e][b].data();
    return list;
  }
  [[nodiscard]] std::vector<real> expected(expert_id e, row_count row) const {
    auto const first = x.begin() + row * family.hidden;
    return formula(family, std::vector<real>(first, first + family.hidden), native()[at(e)]);
  }
};

constexpr std::size_t guard = 64;  // bytes behind the work that nobody may touch

// Runs the kernel on `groups`; y and the work hold NaNs before.
template <class Family>
std::vector<typename Family::element> computed(layer<Family> const& l,
                                               std::span<row_group<Family::blocks> const> groups) {
  using T = typename Family::element;
  loops_kernel<Family> kernel(l.family, l.native());
  host_device::queue q;
  std::vector<T> y(l.x.size(), std::numeric_limits<T>::quiet_NaN());
  auto const bytes = at(kernel.work_bytes(l.rows_by_group));
  std::vector<T> work((bytes + guard) / sizeof(T) + 1);
  std::memset(work.data(), 0xFF, work.size() * sizeof(T));
  kernel.forward(q, groups, l.x.data(), y.data(), work.data());
  auto const* const raw = reinterpret_cast<unsigned char const*>(work.data());
  CHECK(std::all_of(raw + bytes, raw + bytes + guard, [](unsigned char c) { return c == 0xFF; }));
  return y;
}

template <class T>
bool near(T got, real expected, real scale) {
  real const tolerance = std::is_same_v<T, float> ? 2e-6L : 4e-15L;
  return std::fabs(static_cast<real>(got) - expected) <= tolerance * scale;
}

using families = std::tuple<linear_expert<float>, linear_expert<double>, swiglu_expert<float>,
                            swiglu_expert<double>, gptoss_expert<float>, gptoss_expert<double>>;

TEMPLATE_LIST_TEST_CASE("loops: rows become what the formula says, all others stay", "[kernel]",
                        families) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    layer<TestType> const l(random, random.between(1, 9), random.between(1, 7));
    auto const y = computed(l, l.groups);
    std::set<row_count> done;
    for (auto const& g : l.groups)
      for (row_count row = g.first; row < g.first + g.rows; ++row) {
        auto const expected = l.expected(g.expert, row);
        for (std::int64_t h = 0; h < l.family.hidden; ++h)
          REQUIRE(near(y[at(row * l.family.hidden + h)], expected[at(h)],
                       static_cast<real>(l.family.hidden + 7)));
        done.insert(row);
      }
    for (row_count row = 0; row < std::ssize(l.x) / l.family.hidden; ++row)
      if (!done.contains(row)) REQUIRE(std::isnan(y[at(row * l.family.hidden)]));
  }
}

TEMPLATE_LIST_TEST_CASE("loops: a NaN in a row makes that row NaN, and no other", "[kernel]",
                        families) {
  seeded random(7);
  layer<TestType> l(random, 5, 4);
  auto const before = computed(l, l.groups);
  auto const& g = l.groups.back();
  row_count const sick = g.first + g.rows - 1;
  l.x[at(sick * 5 + 2)] = std::numeric_limits<typename TestType::element>::quiet_NaN();
  auto const after = computed(l, l.groups);
  for (std::int64_t i = 0; i < std::ssize(after); ++i) {
    CAPTURE(i);
    if (i / 5 == sick)
      CHECK(std::isnan(after[at(i)]));
    else
      CHECK(std::memcmp(&after[at(i)], &before[at(i)], sizeof before[0]) == 0);
  }
}

// ---- gpt-oss's clamp ------------------------------------------------------------------------

// One input, one inner unit, one output: gate and up are the biases; the down weight is 1.
double clamped(double gate, double up) {
  gptoss_expert<double> const family{1, 1};
  std::array<double, 2> const zero{0, 0};
  std::array<double, 2> const bias{gate, up};
  double const one = 1;
  double const x = 0;
  double y = 0;
  std::array<double, 3> work{};
  family.apply(&x, {zero.data(), bias.data(), &one, zero.data()}, &y, work.data());
  return y;
}

double unclamped(double gate, double up) { return (up + 1) * gate / (1 + std::exp(-1.702 * gate)); }

TEST_CASE("gptoss: the gate is clamped from above, up on both sides, at 7", "[kernel]") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  auto const same = [](double a, double b) { return std::fabs(a - b) <= 1e-14 * std::fabs(b); };
  CHECK(same(clamped(6.9, 6.9), unclamped(6.9, 6.9)));
  CHECK(same(clamped(7.1, 2), unclamped(7, 2)));
  CHECK(same(clamped(infinity, 2), unclamped(7, 2)));
  CHECK(same(clamped(-7.5, 2), unclamped(-7.5, 2)));  // not clamped from below
  CHECK(same(clamped(1, 7.1), unclamped(1, 7)));
  CHECK(same(clamped(1, -7.1), unclamped(1, -7)));
  CHECK(same(clamped(1, infinity), unclamped(1, 7)));
  CHECK(same(clamped(1, -infinity), unclamped(1, -7)));
}

TEST_CASE("gptoss: the clamps let a NaN through", "[kernel]") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(clamped(nan, 1)));
  CHECK(std::isnan(clamped(1, nan)));
  CHECK(std::isnan(clamped(-nan, 1)));
  CHECK(std::isnan(clamped(1, -nan)));
}

// ---- what the dispatcher asks ---------------------------------------------------------------

TEST_CASE("loops: blocks have the sizes that the family states", "[kernel]") {
  loops_kernel<linear_expert<float>> const linear({5}, {});
  CHECK(linear.hidden() == 5);
  CHECK(linear.block_bytes(0) == 25 * 4);
  loops_kernel<swiglu_expert<double>> const swiglu({5, 3}, {});
  for (std::size_t b = 0; b < 3; ++b) CHECK(swiglu.block_bytes(b) == 15 * 8);
  loops_kernel<gptoss_expert<float>> const gptoss({5, 3}, {});
  CHECK(gptoss.block_bytes(0) == 30 * 4);
  CHECK(gptoss.block_bytes(1) == 6 * 4);
  CHECK(gptoss.block_bytes(2) == 15 * 4);
  CHECK(gptoss.block_bytes(3) == 5 * 4);
}

TEST_CASE("loops: native blocks are those that were given, and null where none were", "[kernel]") {
  float const a = 1;
  float const b = 2;
  loops_kernel<swiglu_expert<float>> const kernel({1, 1}, {{&a, &b, &a}, {}});
  CHECK(kernel.native(0) == std::array<void const*, 3>{&a, &b, &a});
  CHECK(kernel.native(1) == std::array<void const*, 3>{});
  CHECK(kernel.native(2) == std::array<void const*, 3>{});
}

TEST_CASE("loops: the digest tells families, sizes, parameters and element types apart",
          "[kernel][digest]") {
  std::vector<std::uint64_t> const digests{
      loops_kernel<linear_expert<float>>({4}, {}).digest(),
      loops_kernel<linear_expert<double>>({4}, {}).digest(),
      loops_kernel<linear_expert<float>>({5}, {}).digest(),
      loops_kernel<swiglu_expert<float>>({4, 3}, {}).digest(),
      loops_kernel<swiglu_expert<float>>({3, 4}, {}).digest(),
      loops_kernel<swiglu_expert<float>>({4, 4}, {}).digest(),
      loops_kernel<swiglu_expert<double>>({4, 3}, {}).digest(),
      loops_kernel<gptoss_expert<float>>({4, 3}, {}).digest(),
      loops_kernel<gptoss_expert<float>>({5, 3}, {}).digest(),
      loops_kernel<gptoss_expert<float>>({4, 5}, {}).digest(),
      loops_kernel<gptoss_expert<float>>({4, 3, 1.7}, {}).digest(),
      loops_kernel<gptoss_expert<float>>({4, 3, 1.702, 6.0}, {}).digest(),
  };
  CHECK(std::set(digests.begin(), digests.end()).size() == digests.size());
  CHECK(loops_kernel<gptoss_expert<float>>({4, 3, 1.702, 7.0}, {}).digest() == digests[7]);
}

template <class Make>
void check_refused(Make make) {
  try {
    make();
    FAIL_CHECK("nothing was thrown");
  } catch (error const& e) {
    CHECK(e.code() == errc::invalid_argument);
    CHECK(std::string(e.what()).find("feed-forward: sizes") == 0);
  }
}

TEST_CASE("loops: sizes below 1 or beyond memory are refused", "[kernel]") {
  std::int64_t const huge = std::int64_t{1} << 40;
  for (std::int64_t const bad : {std::int64_t{0}, std::int64_t{-1}, huge}) {
    CAPTURE(bad);
    std::int64_t const other = bad == huge ? huge : 2;
    check_refused([=] { loops_kernel<linear_expert<float>>({bad}, {}); });
    check_refused([=] { loops_kernel<swiglu_expert<float>>({bad, other}, {}); });
    check_refused([=] { loops_kernel<swiglu_expert<float>>({other, bad}, {}); });
    check_refused([=] { loops_kernel<gptoss_expert<double>>({bad, other}, {}); });
    check_refused([=] { loops_kernel<gptoss_expert<double>>({other, bad}, {}); });
  }
}

}  // namespace
