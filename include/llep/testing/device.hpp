// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/testing/device_memory.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

namespace detail {

/// The row operations against naive expansions of their contracts.
template <device D>
class device_rows {
  using queue = typename D::queue;
  template <class T>
  using list = on_device<D, T>;

 public:
  device_rows(D& device, queue& q, std::uint64_t seed)
      : device_(device), q_(q), random_(seed), witness_("device", seed) {}

  template <class Id>
  void count() {
    auto const experts = random_.chance(80) ? random_.int32(1, 7) : random_.int32(8, 400);
    auto ids = random_ids<Id>(experts);
    for (auto bad = random_.chance(50) ? random_.between(0, 3) : 0; bad > 0 && ids.rows > 0; --bad)
      ids(random_.below(ids.rows), random_.below(ids.cols)) = bad_id<Id>(experts);
    std::vector<std::int64_t> expected(at(experts) + 1, 0);
    expected.back() = 99;  // behind the counts nobody writes
    std::vector<std::int64_t> first_bad{-1, 0};
    for (std::int64_t i = 0; i < ids.rows * ids.cols; ++i) {
      Id const id = ids(i / ids.cols, i % ids.cols);
      if (id >= 0 && id < experts)
        ++expected[at(id)];
      else if (first_bad[0] < 0)
        first_bad = {i, id};
    }
    list<Id> const chosen(device_, q_, ids.cells);
    list<std::int64_t> const counts(device_, q_, std::vector<std::int64_t>(expected.size(), 99));
    list<std::int64_t> const bad(device_, q_, {5, 5});
    device_.count(q_, ids.template view<Id const>(chosen.data()), experts, bad.data(),
                  counts.data());
    witness_.same(counts.read(), expected, "count: counts are the rows per expert");
    auto const told = bad.read();
    if (first_bad[0] < 0)
      witness_.equals(told[0], std::int64_t{-1}, "count: bad[0] is -1 where all ids are good");
    else
      witness_.same(told, first_bad, "count: bad is the first bad position and its id");
  }

  template <class Id>
  void index() {
    auto const experts = random_.chance(80) ? random_.int32(1, 6) : random_.int32(7, 300);
    auto const ids = random_ids<Id>(experts);
    auto const rows = rows_by_expert(ids, experts);
    auto const [offsets, segments] = random_segments(rows);
    std::vector<std::int32_t> expected(at(ids.rows * ids.cols) + 1, -5);
    for (std::size_t e = 0; e < rows.size(); ++e) {
      auto segment = offsets[e];
      for (std::int64_t i = 0; i < std::ssize(rows[e]); ++i) {
        while (segment + 1 < offsets[e + 1] && segments[at(segment + 1)].begin <= i) ++segment;
        expected[at(rows[e][at(i)])] =
            static_cast<std::int32_t>(segments[at(segment)].slot + i - segments[at(segment)].begin);
      }
    }
    list<Id> const chosen(device_, q_, ids.cells);
    list<std::int64_t> const first(device_, q_, offsets);
    list<row_segment> const cuts(device_, q_, segments);
    list<std::int32_t> const slots(device_, q_, std::vector<std::int32_t>(expected.size(), -5));
    device_.index(q_, ids.template view<Id const>(chosen.data()), experts, first.data(),
                  cuts.data(), slots.data());
    witness_.same(slots.read(), expected, "index: every row has the slot that its segment says");
  }

  void pack() {
    row_shape const s(random_);
    auto const bytes = random_.one_of<byte_count>({1, 2, 3, 4, 7, 12, 13, 16, 48, 64, 200});
    table<std::byte> x(random_, s.tokens, bytes, std::byte{0xEE});
    for (std::byte& b : x.cells) b = static_cast<std::byte>(random_.below(256));
    auto const slots = random_.order(s.n());
    std::vector<std::byte> expected(at((s.n() + 1) * bytes), std::byte{0x77});
    for (std::int64_t i = 0; i < s.n(); ++i)
      std::copy_n(&x(i / s.choices, 0), bytes, expected.begin() + slots[at(i)] * bytes);
    list<std::byte> const from(device_, q_, x.cells);
    list<std::int32_t> const where(device_, q_, slots);
    list<std::byte> const out(device_, q_, poisoned(expected.size()));
    device_.pack(q_, x.template view<std::byte const>(from.data()).data, bytes, x.stride, s.choices,
                 where.data(), s.n(), out.data());
    witness_.same(out.read(), expected, "pack: row slots[i] is the token's row i / K");
  }

  void move_rows() {
    auto const bytes = random_.one_of<byte_count>({1, 2, 3, 4, 7, 12, 13, 16, 48, 64, 200});
    std::int64_t const rows = random_.chance(80) ? 40 : 3000;
    std::vector<std::byte> src(at(rows * bytes));
    for (std::byte& b : src) b = static_cast<std::byte>(random_.below(256));
    auto expected = poisoned(src.size());
    std::vector<row_chunk> chunks;
    std::int64_t const most = rows / 8;
    for (auto to = random_.between(0, most); to + most <= rows; to += random_.between(0, most)) {
      auto const n = random_.between(1, most);
      chunks.push_back({random_.between(0, rows - n), to, n});
      std::copy_n(src.begin() + chunks.back().from * bytes, n * bytes,
                  expected.begin() + to * bytes);
      to += n;
    }
    list<std::byte> const from(device_, q_, src);
    list<row_chunk> const what(device_, q_, chunks);
    list<std::byte> const out(device_, q_, poisoned(src.size()));
    device_.move_rows(q_, from.data(), bytes, what.data(), std::ssize(chunks), out.data());
    witness_.same(out.read(), expected, "move_rows: the chunks are copied, and nothing else");
  }

  template <class Row, class Gate>
  void combine() {
    row_shape const s(random_);
    table<Gate> gates(random_, s.tokens, s.choices, std::numeric_limits<Gate>::quiet_NaN());
    fill_simple(random_, gates);
    combine_with("combine: sums the rows times their gates", gates,
                 simple_list<Row>(random_, s.n() * s.hidden), s.hidden);
    row_shape few(random_);
    few.choices += 2;
    table<Gate> halves(random_, few.tokens, few.choices, std::numeric_limits<Gate>::quiet_NaN());
    for (std::int64_t t = 0; t < few.tokens; ++t)
      for (std::int64_t k = 0; k < few.choices; ++k) halves(t, k) = static_cast<Gate>(0.5);
    std::vector<Row> y;
    for (std::int64_t t = 0; t < few.tokens; ++t)
      for (Row const value : order_telling<Row, Row>(random_, few.choices)) y.push_back(value);
    combine_with("combine: sums in the order of the choices, in the row's accumulator", halves, y,
                 1);
  }

  void nothing() {
    try {
      device_.pack(q_, nullptr, 8, 8, 2, nullptr, 0, nullptr);
      device_.move_rows(q_, nullptr, 8, nullptr, 0, nullptr);
      device_.combine(q_, static_cast<float const*>(nullptr), nullptr,
                      matrix_ref<float const>(nullptr, 0, 2), matrix_ref<float>(nullptr, 0, 4));
      list<std::int64_t> const counts(device_, q_, {9, 9});
      list<std::int64_t> const bad(device_, q_, {9, 9});
      device_.count(q_, matrix_ref<std::int32_t const>(nullptr, 0, 3), 2, bad.data(),
                    counts.data());
      list<std::int64_t> const offsets(device_, q_, {0, 0, 0});
      device_.index(q_, matrix_ref<std::int32_t const>(nullptr, 0, 3), 2, offsets.data(), nullptr,
                    nullptr);
      witness_.same(counts.read(), {0, 0}, "count: no rows count as 0");
      witness_.equals(bad.read()[0], std::int64_t{-1}, "count: no row is bad where there is none");
    } catch (error const&) {
      witness_.holds(false, "row operations with zero rows are legal, with null pointers too");
    }
  }

 private:
  static std::vector<std::byte> poisoned(std::size_t n) {
    return std::vector<std::byte>(n, std::byte{0x77});
  }

  // Bad ids stand between the rows.
  template <class Id>
  table<Id> random_ids(std::int32_t experts) {
    row_shape const s(random_);
    table<Id> ids(random_, s.tokens, s.choices, Id{-77});
    for (std::int64_t t = 0; t < ids.rows; ++t)
      for (std::int64_t k = 0; k < ids.cols; ++k)
        ids(t, k) = static_cast<Id>(random_.below(experts) / random_.between(1, 3));
    return ids;
  }

  template <class Id>
  Id bad_id(std::int32_t experts) {
    if (sizeof(Id) > 4 && random_.chance(40))  // its low half would do
      return static_cast<Id>((std::int64_t{1} << 32) + random_.below(experts));
    return random_.one_of<Id>({-1, static_cast<Id>(experts), (std::numeric_limits<Id>::min)(),
                               (std::numeric_limits<Id>::max)()});
  }

  // The positions t x K + k of each expert's rows.
  template <class Id>
  static std::vector<std::vector<std::int64_t>> rows_by_expert(table<Id> const& ids,
                                                               std::int32_t experts) {
    std::vector<std::vector<std::int64_t>> rows(at(experts));
    for (std::int64_t i = 0; i < ids.rows * ids.cols; ++i)
      rows[at(ids(i / ids.cols, i % ids.cols))].push_back(i);
    return rows;
  }

  // Cuts the rows of every expert anyhow, and puts the segments one after the other in any order.
  std::pair<std::vector<std::int64_t>, std::vector<row_segment>> random_segments(
      std::vector<std::vector<std::int64_t>> const& rows) {
    std::vector<std::int64_t> offsets{0};
    std::vector<row_segment> segments;
    std::vector<std::int64_t> sizes;
    for (auto const& of_expert : rows) {
      for (std::int64_t begin = 0; begin < std::ssize(of_expert); begin += sizes.back()) {
        sizes.push_back(random_.between(1, std::ssize(of_expert) - begin));
        segments.push_back({begin, 0});
      }
      offsets.push_back(std::ssize(segments));
    }
    std::int64_t slot = 0;
    for (auto const i : random_.order(std::ssize(sizes))) {
      segments[at(i)].slot = slot;
      slot += sizes[at(i)];
    }
    return {offsets, segments};
  }

  template <class Row, class Gate>
  void combine_with(char const* promise, table<Gate> const& gates, std::vector<Row> const& y,
                    std::int64_t hidden) {
    auto const slots = random_.order(gates.rows * gates.cols);
    std::vector<Row> placed(y.size());  // y row i lies in slot slots[i]
    table<Row> out(random_, gates.rows, hidden, static_cast<Row>(77));
    list<Row> const to(device_, q_, out.cells);
    for (std::int64_t t = 0; t < out.rows; ++t)
      for (std::int64_t h = 0; h < hidden; ++h) {
        accumulator_t<Row> sum = 0;
        for (std::int64_t k = 0; k < gates.cols; ++k) {
          auto const i = t * gates.cols + k;
          Row const value = placed[at(slots[at(i)] * hidden + h)] = y[at(i * hidden + h)];
          sum +=
              static_cast<accumulator_t<Row>>(gates(t, k)) * static_cast<accumulator_t<Row>>(value);
        }
        out(t, h) = static_cast<Row>(sum);
      }
    list<Row> const rows(device_, q_, placed);
    list<std::int32_t> const where(device_, q_, slots);
    list<Gate> const weights(device_, q_, gates.cells);
    device_.combine(q_, static_cast<Row const*>(rows.data()), where.data(),
                    gates.template view<Gate const>(weights.data()), out.view(to.data()));
    witness_.same(to.read(), out.cells, promise);
  }

  D& device_;
  queue& q_;
  seeded random_;
  witness witness_;
};

}  // namespace detail

/// Holds a device against the contract of `llep::device`, with random shapes of one seed: memory,
/// copies, queues and events; then the row operations. Moves data through staging memory, so device
/// memory may be anywhere.
/// @throws broken_promise at the first promise that isn't kept; what the device throws
template <device D>
void check_device(D& device, typename D::queue& q, std::uint64_t seed) {
  detail::check_device_memory(device, q, seed);
  detail::device_rows<D> rows(device, q, seed);
  rows.template count<std::int32_t>();
  rows.template count<std::int64_t>();
  rows.template index<std::int32_t>();
  rows.template index<std::int64_t>();
  rows.pack();
  rows.move_rows();
  rows.template combine<float, float>();
  rows.template combine<float, double>();
  rows.template combine<double, float>();
  rows.template combine<double, double>();
  rows.nothing();
}

}  // namespace llep::testing
