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
#include <span>
#include <tuple>
#include <vector>

#include <llep/testing/seeded.hpp>

namespace {

using namespace llep;
using testing::seeded;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

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

/// Experts of one family, rows for them and gradients that come back.
template <class Family>
struct layer {
  using T = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;
  using block_list = std::vector<std::array<std::vector<T>, blocks>>;

  Family family;
  block_list weights;
  std::vector<row_group<blocks>> groups;
  std::vector<row_count> rows_by_group;
  std::vector<T> x, gy;

  layer(seeded& random, std::int64_t hidden, std::int64_t inner)
      : family(family_of<Family>(hidden, inner)) {
    row_count next = 0;
    auto const experts = random.between(1, 3);
    for (expert_id e = 0; e < experts; ++e) {
      next += random.between(0, 2);  // rows of no group
      groups.push_back({e, next, random.between(1, 4), {}});
      rows_by_group.push_back(groups.back().rows);
      next += groups.back().rows;
      weights.emplace_back();
      for (std::size_t b = 0; b < blocks; ++b)
        weights.back()[b] = numbers<T>(random, family.block_elements()[b]);
    }
    for (auto& g : groups)
      for (std::size_t b = 0; b < blocks; ++b) g.weights[b] = weights[at(g.expert)][b].data();
    x = numbers<T>(random, (next + 1) * hidden);
    gy = numbers<T>(random, (next + 1) * hidden);
  }

  [[nodiscard]] loops_kernel<Family> kernel() const {
    return {family, std::vector<std::array<T const*, blocks>>(weights.size())};
  }
  [[nodiscard]] block_list zeros() const {
    block_list list = weights;
    for (auto& expert : list)
      for (auto& block : expert) std::fill(block.begin(), block.end(), T{0});
    return list;
  }
  [[nodiscard]] std::vector<T> forward() const {
    auto k = kernel();
    host_device::queue q;
    std::vector<T> y(x.size(), T{0});
    std::vector<T> work(at(k.work_bytes(rows_by_group)) / sizeof(T));
    k.forward(q, groups, x.data(), y.data(), work.data());
    return y;
  }
  /// What `backward` is to find the gradients of.
  [[nodiscard]] T loss() const {
    auto const y = forward();
    T sum = 0;
    for (auto const& g : groups)
      for (std::int64_t i = g.first * family.hidden; i < (g.first + g.rows) * family.hidden; ++i)
        sum += y[at(i)] * gy[at(i)];
    return sum;
  }
};

constexpr std::size_t guard = 64;  // bytes behind the work that nobody may touch

/// gx before which there were NaNs, and what was added to `grads`.
template <class Family>
std::vector<typename Family::element> go_back(layer<Family> const& l, void const* saved,
                                              typename layer<Family>::block_list& grads) {
  using T = typename Family::element;
  auto kernel = l.kernel();
  host_device::queue q;
  std::vector<gradient_group<Family::blocks>> groups;
  for (auto const& g : l.groups) {
    groups.push_back({g.expert, g.first, g.rows, g.weights, {}});
    for (std::size_t b = 0; b < Family::blocks; ++b)
      groups.back().grads[b] = grads[at(g.expert)][b].data();
  }
  std::vector<T> gx(l.x.size(), std::numeric_limits<T>::quiet_NaN());
  auto const bytes = at(kernel.backward_work_bytes(l.rows_by_group));
  std::vector<T> work((bytes + guard) / sizeof(T) + 1);
  std::memset(work.data(), 0xFF, work.size() * sizeof(T));
  kernel.backward(q, groups, l.x.data(), saved, l.gy.data(), gx.data(), work.data());
  auto const* const raw = reinterpret_cast<unsigned char const*>(work.data());
  CHECK(std::all_of(raw + bytes, raw + bytes + guard, [](unsigned char c) { return c == 0xFF; }));
  return gx;
}

/// A number of the layer's, turned a bit both ways.
template <class Family>
double slope(layer<Family> const& l, double& value) {
  constexpr double step = 1e-6;
  double const old = value;
  value = old + step;
  double const above = l.loss();
  value = old - step;
  double const below = l.loss();
  value = old;
  return (above - below) / (2 * step);
}

/// No z of gpt-oss is where its slope jumps: all are further from the limit than a step moves them.
template <class Family>
bool away_from_kinks(layer<Family> const& l) {
  if constexpr (Family::blocks == 4) {
    for (auto const& g : l.groups)
      for (row_count row = g.first; row < g.first + g.rows; ++row) {
        std::vector<double> z(at(l.family.saved_elements()));
        std::array<double const*, 4> w{};
        for (std::size_t b = 0; b < 4; ++b) w[b] = l.weights[at(g.expert)][b].data();
        l.family.save(l.x.data() + row * l.family.hidden, w, z.data());
        for (double const value : z)
          if (std::abs(std::abs(value) - l.family.limit) < 1e-4) return false;
      }
  }
  return true;
}

using doubles = std::tuple<linear_expert<double>, swiglu_expert<double>, gptoss_expert<double>>;

TEMPLATE_LIST_TEST_CASE("loops: gradients are the slopes of what forward computes", "[kernel]",
                        doubles) {
  int tried = 0;
  for (std::uint64_t seed = 0; tried < 40; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    layer<TestType> l(random, random.between(1, 6), random.between(1, 5));
    if (!away_from_kinks(l)) continue;
    ++tried;
    auto grads = l.zeros();
    auto const gx = go_back(l, nullptr, grads);
    auto const close = [](double got, double expected) {
      return std::abs(got - expected) <= 2e-8 * (1 + std::abs(expected));
    };
    std::vector<bool> grouped(l.x.size(), false);
    for (auto const& g : l.groups)
      for (std::int64_t i = g.first * l.family.hidden; i < (g.first + g.rows) * l.family.hidden;
           ++i) {
        grouped[at(i)] = true;
        REQUIRE(close(gx[at(i)], slope(l, l.x[at(i)])));
      }
    for (std::size_t i = 0; i < gx.size(); ++i)
      if (!grouped[i]) REQUIRE(std::isnan(gx[i]));  // rows of no group are left alone
    for (std::size_t e = 0; e < grads.size(); ++e)
      for (std::size_t b = 0; b < TestType::blocks; ++b)
        for (std::size_t i = 0; i < grads[e][b].size(); ++i)
          REQUIRE(close(grads[e][b][i], slope(l, l.weights[e][b][i])));
  }
}

// ---- gpt-oss's clamp ------------------------------------------------------------------------

struct clamp_slopes {
  double by_gate, by_up;
};

// One input that is 0, one inner unit, one output: the biases are gate and up, the down weight 1.
clamp_slopes clamped(double gate, double up) {
  gptoss_expert<double> const family{1, 1};
  double const x = 0;
  double const one = 1;
  std::array<double, 2> const zero{0, 0};
  std::array<double, 2> const bias{gate, up};
  double gx = 0;
  std::array<double, 2> g_weights{};
  std::array<double, 2> g_bias{};
  double g_down = 0;
  double g_down_bias = 0;
  std::array<double, 4> work{};
  family.apply_backward(&x, {zero.data(), bias.data(), &one, zero.data()}, bias.data(), &one, &gx,
                        {g_weights.data(), g_bias.data(), &g_down, &g_down_bias}, work.data());
  CHECK(g_down_bias == 1);
  return {g_bias[0], g_bias[1]};
}

TEST_CASE("gptoss: a value that is clamped passes no gradient back", "[kernel]") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (double const gate : {7.01, 100.0, infinity}) {
    CAPTURE(gate);
    CHECK(clamped(gate, 1).by_gate == 0);
    CHECK(clamped(gate, 1).by_up != 0);
  }
  for (double const up : {7.01, -7.01, 100.0, infinity, -infinity}) {
    CAPTURE(up);
    CHECK(clamped(1, up).by_up == 0);
    CHECK(clamped(1, up).by_gate != 0);
  }
  CHECK(clamped(-7.5, 1).by_gate != 0);  // the gate isn't clamped from below
  CHECK(clamped(6.99, 6.99).by_gate != 0);
  CHECK(clamped(6.99, -6.99).by_up != 0);
}

TEST_CASE("loops: gradients lie where they were said to, and are null where none were",
          "[kernel]") {
  float weight = 1;
  float grad = 0;
  loops_kernel<linear_expert<float>> const kernel({1}, {{&weight}, {}}, {{&grad}, {}});
  CHECK(kernel.native_grad(0) == std::array<void*, 1>{&grad});
  CHECK(kernel.native_grad(1) == std::array<void*, 1>{});
  CHECK(kernel.native_grad(2) == std::array<void*, 1>{});
  CHECK(loops_kernel<linear_expert<float>>({1}, {{&weight}}).native_grad(0)[0] == nullptr);
  loops_kernel<gptoss_expert<double>> const gptoss({5, 3}, {});
  std::array<std::int64_t, 4> const sizes{30, 6, 15, 5};
  for (std::size_t b = 0; b < 4; ++b) CHECK(gptoss.grad_elements(b) == sizes[b]);
  CHECK(kernel.saved_row_bytes() == 0);
  CHECK(gptoss.saved_row_bytes() == 6 * 8);
}

}  // namespace
