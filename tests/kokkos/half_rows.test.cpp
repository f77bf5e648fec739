// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include <llep/device/host.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

#include "kokkos/on_kokkos.hpp"

// Rows and weights of 16 bits, against the same numbers in wider ones.

namespace {

using namespace llep;
using kokkos::bfloat16;
using kokkos::half;
using testing::at;
using testing::seeded;

/// A number is off by at most this part of itself when it is rounded to Row.
template <class Row>
constexpr double unit_roundoff = std::is_same_v<Row, half> ? 0x1p-11 : 0x1p-8;
/// What a product of floats over some hundred terms may be off by, as a part of the largest.
constexpr double summing = 5e-6;

template <class To, class From>
std::vector<To> as(std::vector<From> const& from) {
  std::vector<To> to;
  for (From const& value : from) to.push_back(static_cast<To>(static_cast<float>(value)));
  return to;
}
template <class Row>
std::vector<Row> numbers(seeded& random, std::int64_t n, double scale = 1) {
  std::vector<Row> list;
  for (; n > 0; --n) list.emplace_back(static_cast<float>(scale * (2 * random.real() - 1)));
  return list;
}
template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  if (a.empty() || a.size() != b.size()) return a.size() == b.size();
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

// ---- the device ---------------------------------------------------------------------------------

using rows_and_gates = std::tuple<std::tuple<bfloat16, float>, std::tuple<bfloat16, double>,
                                  std::tuple<half, float>, std::tuple<half, double>>;

TEMPLATE_LIST_TEST_CASE("16-bit rows: the device computes in float and rounds once", "[kokkos]",
                        rows_and_gates) {
  using row = std::tuple_element_t<0, TestType>;
  using gate = std::tuple_element_t<1, TestType>;
  host_device host;
  host_device::queue host_queue;
  auto device = testing::make_kokkos_device();
  auto q = device.make_queue();
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const tokens = random.between(0, 9);
    auto const choices = random.between(1, 5);
    auto const hidden = random.between(1, 300);
    auto const slots = random.order(tokens * choices);
    auto const gates = as<gate>(numbers<float>(random, tokens * choices));
    auto const y = numbers<row>(random, tokens * choices * hidden);
    auto const g = numbers<row>(random, tokens * hidden);
    auto const wide_y = as<float>(y);
    auto const wide_g = as<float>(g);
    matrix_ref<gate const> const by(gates.data(), tokens, choices);
    matrix_ref<row const> const upstream(g.data(), tokens, hidden);
    matrix_ref<float const> const wide_upstream(wide_g.data(), tokens, hidden);

    std::vector<row> out(g.size());
    std::vector<float> wide_out(g.size());
    matrix_ref<row> const to(out.data(), tokens, hidden);
    matrix_ref<float> const wide_to(wide_out.data(), tokens, hidden);
    device.combine(q, y.data(), slots.data(), by, to);
    host.combine(host_queue, wide_y.data(), slots.data(), by, wide_to);
    CHECK(same_bits(out, as<row>(wide_out)));
    device.sum(q, y.data(), slots.data(), choices, to);
    host.sum(host_queue, wide_y.data(), slots.data(), choices, wide_to);
    CHECK(same_bits(out, as<row>(wide_out)));

    std::vector<row> packed(y.size());
    std::vector<float> wide_packed(y.size());
    device.pack_scaled(q, upstream, by, slots.data(), packed.data());
    host.pack_scaled(host_queue, wide_upstream, by, slots.data(), wide_packed.data());
    CHECK(same_bits(packed, as<row>(wide_packed)));

    std::vector<gate> by_gate(gates.size());
    std::vector<gate> expected(gates.size());
    device.gate_gradient(q, y.data(), slots.data(), upstream,
                         matrix_ref<gate>(by_gate.data(), tokens, choices));
    host.gate_gradient(host_queue, wide_y.data(), slots.data(), wide_upstream,
                       matrix_ref<gate>(expected.data(), tokens, choices));
    CHECK(same_bits(by_gate, expected));
  }
}

// ---- the kernels --------------------------------------------------------------------------------

template <template <class> class Family>
Family<double> wide(Family<float> const& f) {
  if constexpr (Family<float>::blocks == 1)
    return {f.hidden};
  else if constexpr (Family<float>::blocks == 3)
    return {f.hidden, f.inner};
  else
    return {f.hidden, f.inner, f.alpha, f.limit};
}

template <class Family>
Family random_family(seeded& random) {
  Family family{};
  std::int64_t const most = random.chance(50) ? 30 : 150;
  family.hidden = random.between(1, most);
  if constexpr (requires { family.inner; }) family.inner = random.between(1, most);
  return family;
}

template <class Real, std::size_t Blocks>
using blocks_of = std::vector<std::array<std::vector<Real>, Blocks>>;

template <class Real>
struct results {
  std::vector<Real> y, gx;
};

/// Experts with groups of rows, and what comes back to these; a gap lies before each group.
template <class Family, class Row>
struct experts16 {
  static constexpr std::size_t blocks = Family::blocks;
  Family family;
  blocks_of<Row, blocks> weights;
  std::vector<row_group<blocks>> groups;
  std::vector<Row> x, gy;

  explicit experts16(seeded& random) : family(random_family<Family>(random)) {
    double const scale = 2 / std::sqrt(static_cast<double>(family.hidden));
    row_count next = 0;
    bool const many = random.chance(20);  // more than a launch takes
    for (expert_id e = 0; e < (many ? 70 : 3); ++e) {
      groups.push_back({e, next + 1, random.between(1, many ? 3 : 40), {}});
      next = groups.back().first + groups.back().rows;
      auto& mine = weights.emplace_back();
      for (std::size_t b = 0; b < blocks; ++b)
        mine[b] = numbers<Row>(random, family.block_elements()[b], scale);
    }
    x = numbers<Row>(random, next * family.hidden);
    gy = numbers<Row>(random, next * family.hidden);
  }
};

/// Forward and, on what it saved or not, backward; `grads` are added to.
template <class Kernel, class Device, class Real, class Grad>
results<Real> run(Kernel kernel, Device device, auto groups,
                  blocks_of<Real, Kernel::blocks> const& weights, std::vector<Real> const& x,
                  std::vector<Real> const& gy, bool saving,
                  blocks_of<Grad, Kernel::blocks>& grads) {
  std::vector<gradient_group<Kernel::blocks>> back;
  std::vector<row_count> rows;
  for (auto& group : groups) {
    for (std::size_t b = 0; b < Kernel::blocks; ++b)
      group.weights[b] = weights[at(group.expert)][b].data();
    back.push_back({group.expert, group.first, group.rows, group.weights, {}});
    for (std::size_t b = 0; b < Kernel::blocks; ++b)
      back.back().grads[b] = grads[at(group.expert)][b].data();
    rows.push_back(group.rows);
  }
  auto const all = std::ssize(x) / kernel.hidden();
  results<Real> out{std::vector<Real>(x.size()), std::vector<Real>(x.size())};
  std::vector<double> saved(at(all * kernel.saved_row_bytes()) / sizeof(double) + 1);
  std::vector<double> work(
      at(std::max(kernel.work_bytes(rows), kernel.backward_work_bytes(rows))) / sizeof(double) + 1);
  auto q = device.make_queue();
  std::span<row_group<Kernel::blocks> const> const forth(groups);
  if (saving)
    kernel.forward(q, forth, x.data(), out.y.data(), saved.data(), work.data());
  else
    kernel.forward(q, forth, x.data(), out.y.data(), work.data());
  kernel.backward(q, back, x.data(), saving ? saved.data() : nullptr, gy.data(), out.gx.data(),
                  work.data());
  return out;
}

template <class Grad, class Real, std::size_t Blocks>
blocks_of<Grad, Blocks> widened(blocks_of<Real, Blocks> const& weights, bool zero) {
  blocks_of<Grad, Blocks> list;
  for (auto const& expert : weights) {
    auto& mine = list.emplace_back();
    for (std::size_t b = 0; b < Blocks; ++b) {
      mine[b] = as<Grad>(expert[b]);
      if (zero) std::fill(mine[b].begin(), mine[b].end(), Grad{0});
    }
  }
  return list;
}

/// |got - expected| <= roundoff |expected| + summing x the largest expected.
template <class Real>
void check_close(std::vector<Real> const& got, std::vector<double> const& expected,
                 double roundoff) {
  double largest = 0;
  for (double const e : expected) largest = std::max(largest, std::fabs(e));
  std::int64_t far = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    double const gap = std::fabs(static_cast<double>(static_cast<float>(got[i])) - expected[i]);
    if (!(gap <= roundoff * std::fabs(expected[i]) + summing * largest)) ++far;
  }
  CHECK(far == 0);
}

template <class Family, class Row>
using on_kokkos16 = kokkos::kernel<Family, Kokkos::DefaultExecutionSpace, Row>;

using families_and_rows =
    std::tuple<std::tuple<linear_expert<float>, bfloat16>, std::tuple<linear_expert<float>, half>,
               std::tuple<swiglu_expert<float>, bfloat16>, std::tuple<swiglu_expert<float>, half>,
               std::tuple<gptoss_expert<float>, bfloat16>, std::tuple<gptoss_expert<float>, half>>;

TEMPLATE_LIST_TEST_CASE("16-bit rows: kernels are as close to the exact result as their storage",
                        "[kokkos]", families_and_rows) {
  using family = std::tuple_element_t<0, TestType>;
  using row = std::tuple_element_t<1, TestType>;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    experts16<family, row> const l(random);
    auto grads = widened<float>(l.weights, true);
    auto const got = run<on_kokkos16<family, row>>({l.family, {}}, testing::make_kokkos_device(),
                                                   l.groups, l.weights, l.x, l.gy, true, grads);
    auto exact_grads = widened<double>(l.weights, true);
    using exact_kernel = loops_kernel<decltype(wide(l.family))>;
    auto const exact = run<exact_kernel>({wide(l.family), {}}, host_device(), l.groups,
                                         widened<double>(l.weights, false), as<double>(l.x),
                                         as<double>(l.gy), true, exact_grads);
    check_close(got.y, exact.y, unit_roundoff<row>);
    check_close(got.gx, exact.gx, unit_roundoff<row>);
    for (std::size_t e = 0; e < grads.size(); ++e)
      for (std::size_t b = 0; b < family::blocks; ++b)
        check_close(grads[e][b], exact_grads[e][b], 0x1p-23);
  }
}

TEMPLATE_LIST_TEST_CASE("16-bit rows: neither neighbours nor saving change a bit", "[kokkos]",
                        families_and_rows) {
  using family = std::tuple_element_t<0, TestType>;
  using row = std::tuple_element_t<1, TestType>;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    experts16<family, row> const l(random);
    auto const computed = [&](auto const& groups, bool saving, auto& grads) {
      return run<on_kokkos16<family, row>>({l.family, {}}, testing::make_kokkos_device(), groups,
                                           l.weights, l.x, l.gy, saving, grads);
    };
    auto grads = widened<float>(l.weights, true);
    auto again = grads;
    auto alone = grads;
    auto const together = computed(l.groups, true, grads);
    auto const unsaved = computed(l.groups, false, again);
    CHECK(same_bits(unsaved.y, together.y));
    CHECK(same_bits(unsaved.gx, together.gx));
    CHECK(again == grads);
    for (auto group : l.groups) {
      group.first += group.rows - 1;
      group.rows = 1;
      auto const one = computed(std::vector{group}, true, alone);
      auto const first = at(group.first * l.family.hidden);
      auto const bytes = at(l.family.hidden) * sizeof(row);
      CHECK(std::memcmp(&one.y[first], &together.y[first], bytes) == 0);
      CHECK(std::memcmp(&one.gx[first], &together.gx[first], bytes) == 0);
    }
  }
}

TEST_CASE("16-bit rows: kernels of other storage have other digests", "[kokkos]") {
  swiglu_expert<float> const family{4, 3};
  auto const wide = kokkos::kernel<swiglu_expert<float>>(family, {}).digest();
  auto const brain = on_kokkos16<swiglu_expert<float>, bfloat16>(family, {}).digest();
  auto const ieee = on_kokkos16<swiglu_expert<float>, half>(family, {}).digest();
  CHECK(wide != brain);
  CHECK(wide != ieee);
  CHECK(brain != ieee);
}

}  // namespace
