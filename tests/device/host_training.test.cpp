// SPDX-License-Identifier: Apache-2.0
#include <llep/device/host.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include <llep/testing/seeded.hpp>

// What the host device does on the way back, against naive expansions.

namespace {

using namespace llep;
using testing::seeded;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A matrix that owns its elements, with room between the rows.
template <class T>
struct table {
  std::int64_t rows, cols, stride;
  std::vector<T> data;

  table(std::int64_t r, std::int64_t c, std::int64_t gap, T between)
      : rows(r), cols(c), stride(c + gap), data(at(r * (c + gap)), between) {}
  T& operator()(std::int64_t i, std::int64_t j) { return data[at(i * stride + j)]; }
  [[nodiscard]] matrix_ref<T const> view() const { return {data.data(), rows, cols, stride}; }
  [[nodiscard]] matrix_ref<T> view() { return {data.data(), rows, cols, stride}; }
};

// Small whole numbers and halves, so that no sum is rounded, in whichever order.
template <class T>
T simple(seeded& random) {
  return static_cast<T>(random.between(-8, 8)) / T{2};
}

template <class T>
void fill(seeded& random, table<T>& m) {
  for (std::int64_t i = 0; i < m.rows; ++i)
    for (std::int64_t j = 0; j < m.cols; ++j) m(i, j) = simple<T>(random);
}

std::vector<std::int32_t> random_order(seeded& random, std::int64_t n) {
  std::vector<std::int32_t> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[at(random.below(static_cast<std::int64_t>(i)))]);
  return order;
}

// T tokens with K choices and H numbers each; NaN stands between rows that are read.
template <class Row, class Gate>
struct sample {
  std::int64_t tokens, choices, hidden;
  table<Row> g;
  table<Gate> gates;
  std::vector<std::int32_t> slots;
  std::vector<Row> y;

  explicit sample(seeded& random)
      : tokens(random.between(0, 6)),
        choices(random.between(1, 9)),
        hidden(random.between(1, 7)),
        g(tokens, hidden, random.between(0, 3), std::numeric_limits<Row>::quiet_NaN()),
        gates(tokens, choices, random.between(0, 2), std::numeric_limits<Gate>::quiet_NaN()),
        slots(random_order(random, tokens * choices)) {
    fill(random, g);
    fill(random, gates);
    for (std::int64_t i = 0; i < tokens * choices * hidden; ++i) y.push_back(simple<Row>(random));
  }
  [[nodiscard]] std::int64_t slot(std::int64_t t, std::int64_t k) const {
    return slots[at(t * choices + k)];
  }
  [[nodiscard]] Row row(std::int64_t t, std::int64_t k, std::int64_t h) const {
    return y[at(slot(t, k) * hidden + h)];
  }
};

TEMPLATE_TEST_CASE("zero: sets so many bytes, and no other", "[device]", char, double) {
  host_device device;
  host_device::queue q;
  for (std::int64_t n = 0; n < 20; ++n) {
    std::vector<TestType> list(32, TestType{7});
    device.zero(q, list.data() + 5, n * static_cast<byte_count>(sizeof(TestType)));
    for (std::int64_t i = 0; i < 32; ++i)
      REQUIRE(list[at(i)] == (i >= 5 && i < 5 + n ? TestType{0} : TestType{7}));
  }
}

TEMPLATE_TEST_CASE("accumulate: adds element by element to what is there", "[device]", float,
                   double) {
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const n = random.between(0, 30);
    std::vector<TestType> from(at(n + 1));
    std::vector<TestType> to(at(n + 1));
    for (auto& value : from) value = simple<TestType>(random);
    for (auto& value : to) value = simple<TestType>(random);
    auto expected = to;
    for (std::int64_t i = 0; i < n; ++i) expected[at(i)] += from[at(i)];
    device.accumulate(q, from.data(), n, to.data());
    REQUIRE(to == expected);  // the last element is nobody's
  }
}

using rows_and_gates = std::tuple<std::tuple<float, float>, std::tuple<float, double>,
                                  std::tuple<double, float>, std::tuple<double, double>>;

TEMPLATE_LIST_TEST_CASE("pack_scaled: every choice of a token gets its row times its gate",
                        "[device]", rows_and_gates) {
  using row = std::tuple_element_t<0, TestType>;
  using gate = std::tuple_element_t<1, TestType>;
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    sample<row, gate> s(random);
    std::vector<row> out(s.y.size() + 1, row{77});
    auto expected = out;
    for (std::int64_t t = 0; t < s.tokens; ++t)
      for (std::int64_t k = 0; k < s.choices; ++k)
        for (std::int64_t h = 0; h < s.hidden; ++h)
          expected[at(s.slot(t, k) * s.hidden + h)] = static_cast<row>(s.gates(t, k)) * s.g(t, h);
    device.pack_scaled(q, std::as_const(s.g).view(), std::as_const(s.gates).view(), s.slots.data(),
                       out.data());
    REQUIRE(out == expected);
  }
}

TEMPLATE_TEST_CASE("sum: every token's rows are summed", "[device]", float, double) {
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    sample<TestType, float> const s(random);
    table<TestType> out(s.tokens, s.hidden, random.between(0, 3), TestType{77});
    auto expected = out;
    for (std::int64_t t = 0; t < s.tokens; ++t)
      for (std::int64_t h = 0; h < s.hidden; ++h) {
        expected(t, h) = 0;
        for (std::int64_t k = 0; k < s.choices; ++k) expected(t, h) += s.row(t, k, h);
      }
    device.sum(q, s.y.data(), s.slots.data(), s.choices, out.view());
    REQUIRE(out.data == expected.data);  // what lies between the rows included
  }
}

TEMPLATE_LIST_TEST_CASE("gate_gradient: the product of a token's gradient with each of its rows",
                        "[device]", rows_and_gates) {
  using row = std::tuple_element_t<0, TestType>;
  using gate = std::tuple_element_t<1, TestType>;
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    sample<row, gate> s(random);
    table<gate> out(s.tokens, s.choices, random.between(0, 3), gate{77});
    auto expected = out;
    for (std::int64_t t = 0; t < s.tokens; ++t)
      for (std::int64_t k = 0; k < s.choices; ++k) {
        row total = 0;
        for (std::int64_t h = 0; h < s.hidden; ++h) total += s.g(t, h) * s.row(t, k, h);
        expected(t, k) = static_cast<gate>(total);
      }
    device.gate_gradient(q, s.y.data(), s.slots.data(), std::as_const(s.g).view(), out.view());
    REQUIRE(out.data == expected.data);
  }
}

template <class Row>
Row summed(std::vector<Row> const& y) {
  host_device device;
  host_device::queue q;
  std::vector<std::int32_t> slots(y.size());
  std::iota(slots.begin(), slots.end(), 0);
  Row out = 0;
  device.sum(q, y.data(), slots.data(), std::ssize(y), matrix_ref<Row>(&out, 1, 1));
  return out;
}

// The product of y with ones.
template <class Row, class Gate>
Gate product(std::vector<Row> const& y) {
  host_device device;
  host_device::queue q;
  std::vector<Row> const ones(y.size(), Row{1});
  std::int32_t const slot = 0;
  Gate out = 0;
  device.gate_gradient(q, y.data(), &slot, matrix_ref<Row const>(ones.data(), 1, std::ssize(ones)),
                       matrix_ref<Gate>(&out, 1, 1));
  return out;
}

TEST_CASE("going back: sums are made in order, in the row's accumulator", "[device]") {
  CHECK(summed<float>({1e8F, 1.0F, -1e8F}) == 0.0F);  // a double would have kept the 1
  CHECK(summed<float>({1e8F, -1e8F, 1.0F}) == 1.0F);
  CHECK(summed<float>({1.0F, 0, 0, 0, 1e8F, 0, 0, 0, -1e8F}) == 0.0F);  // beyond four at a time
  CHECK(summed<double>({1e8, 1.0, -1e8}) == 1.0);
  CHECK(product<float, double>({1e8F, 1.0F, -1e8F}) == 0.0);
  CHECK(product<float, float>({1e8F, -1e8F, 1.0F}) == 1.0F);
  CHECK(product<double, float>({1e8, 1.0, -1e8}) == 1.0F);
}

TEST_CASE("going back: no rows need no memory", "[device]") {
  host_device device;
  host_device::queue q;
  matrix_ref<float const> const none(nullptr, 0, 4);
  matrix_ref<float> const out(nullptr, 0, 4);
  float const* const null = nullptr;
  float* const to = nullptr;
  CHECK_NOTHROW(device.zero(q, nullptr, 0));
  CHECK_NOTHROW(device.accumulate(q, null, 0, to));
  CHECK_NOTHROW(device.pack_scaled(q, none, none, nullptr, to));
  CHECK_NOTHROW(device.sum(q, null, nullptr, 2, out));
  CHECK_NOTHROW(device.gate_gradient(q, null, nullptr, none, out));
}

}  // namespace
