// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <llep/concepts/training.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

namespace detail {

/// What a device promises of the way back, against naive expansions.
template <class Row, class Gate, class Grad, device D>
class device_gradients {
  using acc = accumulator_t<Row>;
  template <class T>
  using list = on_device<D, T>;

 public:
  device_gradients(D& device, typename D::queue& q, std::uint64_t seed)
      : device_(device), q_(q), random_(seed), witness_("trains_rows", seed) {}

  void zero() {
    auto const n = random_.between(0, 3000);
    auto const first = random_.between(0, 40);
    std::vector<std::byte> expected(at(first + n + random_.between(1, 40)), std::byte{7});
    list<std::byte> const memory(device_, q_, expected);
    device_.zero(q_, memory.data() + first, n);
    std::fill_n(expected.begin() + first, n, std::byte{0});
    witness_.same(memory.read(), expected, "zero: so many bytes, and no other");
  }

  void accumulate() {
    auto const n = random_.chance(80) ? random_.between(0, 70) : random_.between(1000, 5000);
    auto const first = random_.between(0, 3);
    auto expected = simple_list<Grad>(random_, first + n + 1);
    auto const from = simple_list<Grad>(random_, first + n + 1);
    list<Grad> const to(device_, q_, expected);
    list<Grad> const src(device_, q_, from);
    device_.accumulate(q_, static_cast<Grad const*>(src.data() + first), n, to.data() + first);
    for (std::int64_t i = first; i < first + n; ++i)
      expected[at(i)] = static_cast<Grad>(expected[at(i)] + from[at(i)]);
    witness_.same(to.read(), expected, "accumulate: adds n elements to what is there");
  }

  void pack_scaled() {
    row_shape const s(random_);
    table<Row> g(random_, s.tokens, s.hidden, nan<Row>);
    table<Gate> gates(random_, s.tokens, s.choices, nan<Gate>);
    fill_simple(random_, g);
    fill_simple(random_, gates);
    auto const slots = random_.order(s.n());
    std::vector<Row> expected(at((s.n() + 1) * s.hidden), static_cast<Row>(77));
    list<Row> const out(device_, q_, expected);
    for (std::int64_t i = 0; i < s.n(); ++i)
      for (std::int64_t h = 0; h < s.hidden; ++h)
        expected[at(slots[at(i)] * s.hidden + h)] = static_cast<Row>(
            static_cast<acc>(gates(i / s.choices, i % s.choices)) * acc(g(i / s.choices, h)));
    list<Row> const upstream(device_, q_, g.cells);
    list<Gate> const weights(device_, q_, gates.cells);
    list<std::int32_t> const where(device_, q_, slots);
    device_.pack_scaled(q_, g.template view<Row const>(upstream.data()),
                        gates.template view<Gate const>(weights.data()), where.data(), out.data());
    witness_.same(out.read(), expected, "pack_scaled: row slots[t x K + k] is gate x row t");
  }

  void sum() {
    row_shape const s(random_);
    sum_of("sum: adds the rows of a token", s, simple_list<Row>(random_, s.n() * s.hidden));
    row_shape few(random_);
    few.choices += 2;
    few.hidden = 1;
    std::vector<Row> y;
    for (std::int64_t t = 0; t < few.tokens; ++t)
      for (Row const value : order_telling<acc, Row>(random_, few.choices)) y.push_back(value);
    sum_of("sum: adds in the order of the choices, in the row's accumulator", few, y);
  }

  void gate_gradient() {
    row_shape s(random_);
    table<Row> g(random_, s.tokens, s.hidden, nan<Row>);
    fill_simple(random_, g);
    auto const y = simple_list<Row>(random_, s.n() * s.hidden);
    std::vector<Gate> expected;
    for (std::int64_t i = 0; i < s.n(); ++i) {
      acc total = 0;
      for (std::int64_t h = 0; h < s.hidden; ++h)
        total += acc(g(i / s.choices, h)) * acc(y[at(i * s.hidden + h)]);
      expected.push_back(static_cast<Gate>(total));
    }
    witness_.same(gate_gradients(s, g, y), expected,
                  "gate_gradient: the product of a token's row with each of its rows");
    s.hidden += 2;
    the_same_anywhere(s);
  }

  void nothing() {
    matrix_ref<Row const> const none(nullptr, 0, 4);
    matrix_ref<Gate const> const gates(nullptr, 0, 2);
    try {
      device_.zero(q_, nullptr, 0);
      device_.accumulate(q_, static_cast<Grad const*>(nullptr), 0, static_cast<Grad*>(nullptr));
      device_.pack_scaled(q_, none, gates, nullptr, static_cast<Row*>(nullptr));
      device_.sum(q_, none.data, nullptr, 2, matrix_ref<Row>(nullptr, 0, 4));
      device_.gate_gradient(q_, none.data, nullptr, none, matrix_ref<Gate>(nullptr, 0, 2));
    } catch (error const&) {
      witness_.holds(false, "zero rows or bytes are legal, with null pointers too");
    }
  }

 private:
  template <class T>
  static constexpr T nan = std::numeric_limits<T>::quiet_NaN();

  // y row i, of row i in (token, choice) order, is put into slot slots[i].
  std::vector<Row> placed(std::vector<std::int32_t> const& slots, std::vector<Row> const& y,
                          std::int64_t hidden) const {
    std::vector<Row> out(y.size());
    for (std::int64_t i = 0; i < std::ssize(slots); ++i)
      std::copy_n(y.begin() + i * hidden, hidden, out.begin() + slots[at(i)] * hidden);
    return out;
  }

  void sum_of(char const* promise, row_shape const& s, std::vector<Row> const& y) {
    auto const slots = random_.order(s.n());
    table<Row> out(random_, s.tokens, s.hidden, static_cast<Row>(77));
    list<Row> const to(device_, q_, out.cells);
    for (std::int64_t t = 0; t < s.tokens; ++t)
      for (std::int64_t h = 0; h < s.hidden; ++h) {
        acc total = 0;
        for (std::int64_t k = 0; k < s.choices; ++k)
          total += acc(y[at((t * s.choices + k) * s.hidden + h)]);
        out(t, h) = static_cast<Row>(total);
      }
    list<Row> const rows(device_, q_, placed(slots, y, s.hidden));
    list<std::int32_t> const where(device_, q_, slots);
    device_.sum(q_, static_cast<Row const*>(rows.data()), where.data(), s.choices,
                out.view(to.data()));
    witness_.same(to.read(), out.cells, promise);
  }

  // [T x K]; rows lie in slots of a new order, and beside the gradients nothing is written.
  std::vector<Gate> gate_gradients(row_shape const& s, table<Row> const& g,
                                   std::vector<Row> const& y) {
    auto const slots = random_.order(s.n());
    table<Gate> out(random_, s.tokens, s.choices, static_cast<Gate>(77));
    list<Gate> const to(device_, q_, out.cells);
    list<Row> const rows(device_, q_, placed(slots, y, s.hidden));
    list<Row> const upstream(device_, q_, g.cells);
    list<std::int32_t> const where(device_, q_, slots);
    device_.gate_gradient(q_, static_cast<Row const*>(rows.data()), where.data(),
                          g.template view<Row const>(upstream.data()), out.view(to.data()));
    auto const cells = to.read();
    std::vector<Gate> values;
    for (std::int64_t i = 0; i < s.n(); ++i) {
      auto& cell = out(i / s.choices, i % s.choices);
      values.push_back(cells[at(&cell - out.cells.data())]);
      cell = values.back();
    }
    witness_.same(cells, out.cells, "gate_gradient: writes the gradients, and nothing else");
    return values;
  }

  // Of rows whose sums tell their order: the tokens once more, the last one first.
  void the_same_anywhere(row_shape const& s) {
    table<Row> g(random_, s.tokens, s.hidden, nan<Row>);
    table<Row> turned(random_, s.tokens, s.hidden, nan<Row>);
    for (std::int64_t t = 0; t < s.tokens; ++t)
      for (std::int64_t h = 0; h < s.hidden; ++h) g(t, h) = turned(t, h) = static_cast<Row>(0.5F);
    std::vector<std::vector<Row>> y;
    for (std::int64_t i = 0; i < s.n(); ++i)
      y.push_back(order_telling<acc, Row>(random_, s.hidden));
    auto const joined = [](auto const& rows) {
      std::vector<Row> all;
      for (auto const& row : rows) all.insert(all.end(), row.begin(), row.end());
      return all;
    };
    auto const here = gate_gradients(s, g, joined(y));
    std::reverse(y.begin(), y.end());
    auto there = gate_gradients(s, turned, joined(y));
    std::reverse(there.begin(), there.end());
    witness_.same(there, here, "gate_gradient: sums in an order that hangs on H alone");
  }

  D& device_;
  typename D::queue& q_;
  seeded random_;
  witness witness_;
};

}  // namespace detail

/// Holds a device against the contract of `llep::trains_rows` for these element types, with random
/// shapes of one seed.
/// @throws broken_promise at the first promise that isn't kept; what the device throws
template <class Row, class Gate, class Grad, device D>
  requires trains_rows<D, Row, Gate, Grad>
void check_training_device(D& device, typename D::queue& q, std::uint64_t seed) {
  detail::device_gradients<Row, Gate, Grad, D> check(device, q, seed);
  check.zero();
  check.accumulate();
  check.pack_scaled();
  check.sum();
  check.gate_gradient();
  check.nothing();
}

}  // namespace llep::testing
