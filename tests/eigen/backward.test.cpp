// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include <llep/backends/eigen/kernel.hpp>
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
template <class Family>
using row_groups = std::span<row_group<Family::blocks> const>;

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// Gradients by the rows, and by every expert's blocks. These begin one element behind an aligned
/// address, as a user's own may.
template <class Family>
struct gradients {
  using T = typename Family::element;
  using grad_blocks = std::array<std::vector<T>, Family::blocks>;

  std::vector<T> gx;
  std::vector<grad_blocks> weights;

  explicit gradients(layer<Family> const& l)
      : gx(l.x.size(), std::numeric_limits<T>::quiet_NaN()), weights(l.weights.size()) {
    for (auto& list : weights)
      for (std::size_t b = 0; b < Family::blocks; ++b)
        list[b].resize(at(l.family.block_elements()[b]) + 1);
  }

  [[nodiscard]] bool operator==(gradients const& other) const {
    for (std::size_t e = 0; e < weights.size(); ++e)
      for (std::size_t b = 0; b < Family::blocks; ++b)
        if (!same_bits(weights[e][b], other.weights[e][b])) return false;
    return same_bits(gx, other.gx);
  }
};

/// Adds to `out` what `kernel` says. The work is as large as it wants for all groups, to the byte,
/// and holds NaNs before.
template <class Kernel, class Family, class T>
void add_backward(Kernel kernel, layer<Family> const& l, row_groups<Family> groups, T const* saved,
                  std::vector<T> const& gy, gradients<Family>& out) {
  std::vector<gradient_group<Family::blocks>> back;
  for (auto const& g : groups) {
    back.push_back({g.expert, g.first, g.rows, g.weights, {}});
    for (std::size_t b = 0; b < Family::blocks; ++b)
      back.back().grads[b] = out.weights[at(g.expert)][b].data() + 1;
  }
  std::vector<std::byte> work(at(kernel.backward_work_bytes(l.rows_by_group)), std::byte{0xFF});
  host_device::queue q;
  kernel.backward(q, back, l.x.data(), saved, gy.data(), out.gx.data(), work.data());
}

template <class Family>
using on_eigen = eigen::kernel<Family>;

template <class Family, class T>
gradients<Family> backward(layer<Family> const& l, row_groups<Family> groups, T const* saved,
                           std::vector<T> const& gy) {
  gradients<Family> out(l);
  add_backward(on_eigen<Family>(l.family, {}), l, groups, saved, gy, out);
  return out;
}
template <class Family, class T>
gradients<Family> backward(layer<Family> const& l, T const* saved, std::vector<T> const& gy) {
  return backward<Family, T>(l, l.groups, saved, gy);
}

template <class Family>
std::vector<typename Family::element> output_gradients(layer<Family> const& l, std::uint64_t seed) {
  seeded random(seed);
  std::vector<typename Family::element> gy(l.x.size());
  for (auto& g : gy) g = static_cast<typename Family::element>(2 * random.real() - 1);
  return gy;
}

/// What a forward leaves; y and saved hold NaNs before.
template <class T>
struct forward_result {
  std::vector<T> y, saved;
};
template <class Kernel, class Family>
auto forward(layer<Family> const& l, bool saving) {
  using T = typename Family::element;
  Kernel kernel(l.family, {});
  auto const rows = std::ssize(l.x) / l.family.hidden;
  auto const nan = std::numeric_limits<T>::quiet_NaN();
  forward_result<T> out{std::vector<T>(l.x.size(), nan), {}};
  // One more, so that there is memory where an expert has nothing to save.
  out.saved.resize(at(rows * kernel.saved_row_bytes()) / sizeof(T) + 1, nan);
  std::vector<std::byte> work(at(kernel.work_bytes(l.rows_by_group)), std::byte{0xFF});
  host_device::queue q;
  if (saving)
    kernel.forward(q, l.groups, l.x.data(), out.y.data(), out.saved.data(), work.data());
  else
    kernel.forward(q, l.groups, l.x.data(), out.y.data(), work.data());
  return out;
}

/// Largest difference over largest finite magnitude; infinite where NaNs or infinities differ.
template <class T>
double distance(std::vector<T> const& got, std::vector<T> const& expected) {
  REQUIRE(got.size() == expected.size());
  double worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(expected[i])) largest = std::max(largest, std::abs(double{expected[i]}));
    if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
    double const difference = std::abs(double{got[i]} - double{expected[i]});
    if (!std::isfinite(difference)) return HUGE_VAL;
    worst = std::max(worst, difference);
  }
  return largest > 0 ? worst / largest : worst;
}
template <class T>
constexpr double tolerance = std::is_same_v<T, float> ? 5e-6 : 1e-12;

/// Both kernels see the same saved values, so that both clamp the same.
template <class Family>
void check_against_loops(layer<Family> const& l, std::uint64_t seed) {
  using T = typename Family::element;
  auto const gy = output_gradients(l, seed);
  auto const saved = forward<loops_kernel<Family>>(l, true).saved;
  CHECK(distance(forward<on_eigen<Family>>(l, true).saved, saved) <= tolerance<T>);
  auto const got = backward(l, saved.data(), gy);
  gradients<Family> expected(l);
  add_backward(loops_kernel<Family>(l.family, {}), l, l.groups, saved.data(), gy, expected);
  CHECK(distance(got.gx, expected.gx) <= tolerance<T>);
  for (std::size_t e = 0; e < l.weights.size(); ++e)
    for (std::size_t b = 0; b < Family::blocks; ++b) {
      CAPTURE(e, b);
      CHECK(distance(got.weights[e][b], expected.weights[e][b]) <= tolerance<T>);
    }
}

/// Every row alone has the row gradient, to the bit, that it has among all others.
template <class Family>
void check_rows_alone(layer<Family> const& l, row_count step) {
  using T = typename Family::element;
  auto const gy = output_gradients(l, 1);
  auto const together = backward<Family, T>(l, nullptr, gy);
  auto const row_bytes = at(l.family.hidden) * sizeof(T);
  for (auto const& g : l.groups)
    for (row_count row = g.first; row < g.first + g.rows; row += step) {
      CAPTURE(g.expert, row);
      auto alone = g;
      alone.first = row;
      alone.rows = 1;
      auto const got = backward<Family, T>(l, std::span(&alone, 1), nullptr, gy);
      auto const first = at(row * l.family.hidden);
      REQUIRE(std::memcmp(&got.gx[first], &together.gx[first], row_bytes) == 0);
    }
}

template <class Family>
void check_saved(layer<Family> const& l) {
  using T = typename Family::element;
  auto const plain = forward<on_eigen<Family>>(l, false);
  auto const saving = forward<on_eigen<Family>>(l, true);
  CHECK(same_bits(plain.y, saving.y));
  auto const gy = output_gradients(l, 2);
  auto const again = backward<Family, T>(l, nullptr, gy);
  CHECK(backward(l, saving.saved.data(), gy) == again);
  CHECK(backward<Family, T>(l, nullptr, gy) == again);
}

TEMPLATE_LIST_TEST_CASE("eigen backward: neither tiles nor chunks and blocks show",
                        "[eigen][backward]", families) {
  using T = typename TestType::element;
  constexpr auto depth = eigen::detail::block_sizes<T>::depth;
  constexpr auto chunk = eigen::detail::chunk_columns<T>;
  auto const check = [](layer<TestType> const& l, row_count step) {
    check_against_loops(l, 3);
    check_rows_alone(l, step);
    check_saved(l);
  };
  seeded random(3);
  check(
      {random, 5, 3, {eigen::detail::most_tile_rows + 1, 1, 3 * eigen::detail::most_tile_rows - 2}},
      91);
  check({random, 9, chunk + 7, {5, 4}}, 2);
  check({random, eigen::detail::block_sizes<T>::columns + depth + 3, 11, {6}}, 5);
}

TEMPLATE_LIST_TEST_CASE("eigen backward: a NaN in a row touches no other row's gradient",
                        "[eigen][backward]", families) {
  using T = typename TestType::element;
  seeded random(7);
  layer<TestType> l(random, 21, 18, {6, 9});
  auto gy = output_gradients(l, 9);
  auto const before = backward<TestType, T>(l, nullptr, gy);
  row_count const sick = l.groups.back().first + 4;
  bool const in_gy = GENERATE(false, true);
  (in_gy ? gy : l.x)[at(sick * 21 + 2)] = std::numeric_limits<T>::quiet_NaN();
  auto const after = backward<TestType, T>(l, nullptr, gy);
  for (std::int64_t i = 0; i < std::ssize(after.gx); ++i) {
    CAPTURE(i, in_gy);
    if (i / 21 != sick)
      CHECK(std::memcmp(&after.gx[at(i)], &before.gx[at(i)], sizeof(T)) == 0);
    else if (in_gy || TestType::blocks > 1)
      CHECK(std::isnan(after.gx[at(i)]));
  }
  for (std::size_t b = 0; b < TestType::blocks; ++b)
    CHECK(same_bits(after.weights[0][b], before.weights[0][b]));
}

TEST_CASE("eigen backward: what is clamped passes no gradient, its neighbours do",
          "[eigen][backward]") {
  // gates and ups beyond their limits, and a NaN: one row, x = 1, z is the bias
  gptoss_expert<double> const family{1, 5, 1.702, 0.75};
  std::vector<double> const gate_up(10, 0.0);
  std::vector<double> const bias{0.8, 0.1, -0.9, 0.2, 0.75, -0.75, 0.3, 0.9, 0.3, -0.9};
  std::vector<double> const down(5, 1.0);
  double const out_bias = 0;
  double const x = 1;
  double const gy = 1;
  double gx = 0;
  std::vector<double> g_gate_up(10), g_bias(10), g_down(5), g_out(1);
  gradient_group<4> const group{0,
                                0,
                                1,
                                {gate_up.data(), bias.data(), down.data(), &out_bias},
                                {g_gate_up.data(), g_bias.data(), g_down.data(), g_out.data()}};
  eigen::kernel<gptoss_expert<double>> kernel(family, {});
  std::vector<std::byte> work(at(kernel.backward_work_bytes(std::array<row_count, 1>{1})));
  host_device::queue q;
  kernel.backward(q, std::span(&group, 1), &x, nullptr, &gy, &gx, work.data());
  std::array const passes{false, true, true, true, true, true, true, false, true, false};
  for (std::size_t i = 0; i < 10; ++i) {
    CAPTURE(i);
    CHECK((g_bias[i] != 0) == passes[i]);
    CHECK(g_gate_up[i] == g_bias[i]);
  }
  CHECK(g_out[0] == 1);
}

TEMPLATE_LIST_TEST_CASE("eigen backward: gates far out saturate as in the loops kernel",
                        "[eigen][backward]", families) {
  seeded random(2);
  layer<TestType> l(random, 6, 40, {7});
  for (std::size_t b = 0; b < TestType::blocks; ++b)
    for (auto& w : l.weights[0][b]) w *= 1000;  // exp over- and underflows
  check_against_loops(l, 4);
}

// ---- what the dispatcher asks ---------------------------------------------------------------

TEST_CASE("eigen backward: work is bounded however many rows and inner columns there are",
          "[eigen][backward]") {
  eigen::kernel<swiglu_expert<float>> const some({64, 1 << 14}, {});
  eigen::kernel<swiglu_expert<float>> const more({64, 1 << 20}, {});
  std::vector<row_count> const rows{eigen::detail::most_tile_rows};
  std::vector<row_count> const many{1000 * eigen::detail::most_tile_rows};
  CHECK(some.backward_work_bytes(rows) == some.backward_work_bytes(many));
  CHECK(some.backward_work_bytes(rows) == more.backward_work_bytes(rows));
}

}  // namespace
