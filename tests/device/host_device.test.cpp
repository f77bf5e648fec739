// SPDX-License-Identifier: Apache-2.0
#include <llep/device/host.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/testing/seeded.hpp>

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
  T const& operator()(std::int64_t i, std::int64_t j) const { return data[at(i * stride + j)]; }
  [[nodiscard]] matrix_ref<T const> view() const { return {data.data(), rows, cols, stride}; }
  [[nodiscard]] matrix_ref<T> view() { return {data.data(), rows, cols, stride}; }
};

// ids out of range stand between the rows, where nobody may look.
template <class Id>
table<Id> random_ids(seeded& random, std::int32_t experts) {
  table<Id> ids(random.between(0, 12), random.between(1, 4), random.between(0, 2), Id{-77});
  for (std::int64_t t = 0; t < ids.rows; ++t)
    for (std::int64_t k = 0; k < ids.cols; ++k) ids(t, k) = static_cast<Id>(random.below(experts));
  return ids;
}

struct counted {
  std::vector<std::int64_t> counts;
  std::int64_t bad[2];
};

template <class Id>
counted count(matrix_ref<Id const> ids, std::int32_t experts) {
  host_device device;
  host_device::queue q;
  counted out{std::vector<std::int64_t>(at(experts) + 1, 99), {5, 5}};  // what was there must go
  device.count(q, ids, experts, out.bad, out.counts.data());
  CHECK(out.counts.back() == 99);
  out.counts.pop_back();
  return out;
}

TEMPLATE_TEST_CASE("count: rows by expert, as counted one by one", "[device]", std::int32_t,
                   std::int64_t) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const experts = random.int32(1, 7);
    auto const ids = random_ids<TestType>(random, experts);
    std::vector<std::int64_t> expected(at(experts), 0);
    for (std::int64_t t = 0; t < ids.rows; ++t)
      for (std::int64_t k = 0; k < ids.cols; ++k) ++expected[at(ids(t, k))];
    auto const got = count(ids.view(), experts);
    REQUIRE(got.counts == expected);
    REQUIRE(got.bad[0] == -1);
    REQUIRE(got.bad[1] == 0);
  }
}

TEMPLATE_TEST_CASE("count: bad ids are skipped, and the first of them told", "[device]",
                   std::int32_t, std::int64_t) {
  table<TestType> ids(3, 2, 1, 0);
  std::vector<TestType> const wrong{-1, 4, std::numeric_limits<TestType>::min(),
                                    std::numeric_limits<TestType>::max()};
  for (TestType const id : wrong) {
    CAPTURE(id);
    for (auto& value : ids.data) value = 3;
    ids(1, 1) = id;
    ids(2, 0) = id == 4 ? -9 : 4;  // a later one isn't told
    auto const got = count(std::as_const(ids).view(), 4);
    CHECK(got.counts == std::vector<std::int64_t>{0, 0, 0, 4});
    CHECK(got.bad[0] == 3);
    CHECK(got.bad[1] == id);
  }
  ids(0, 0) = -3;
  CHECK(count(std::as_const(ids).view(), 4).bad[0] == 0);
}

TEST_CASE("count: ids beyond 32 bits are bad, not cut off", "[device]") {
  std::vector<std::int64_t> const ids{1, (std::int64_t{1} << 32) + 1, 0};
  auto const got = count(matrix_ref<std::int64_t const>(ids.data(), 3, 1), 2);
  CHECK(got.counts == std::vector<std::int64_t>{1, 1});
  CHECK(got.bad[0] == 1);
  CHECK(got.bad[1] == (std::int64_t{1} << 32) + 1);
}

TEST_CASE("count: no tokens need no memory", "[device]") {
  auto const got = count(matrix_ref<std::int32_t const>(nullptr, 0, 3), 2);
  CHECK(got.counts == std::vector<std::int64_t>{0, 0});
  CHECK(got.bad[0] == -1);
}

// ---- index ----------------------------------------------------------------------------------

struct segment_list {
  std::vector<std::int64_t> offsets;
  std::vector<row_segment> segments;
};

// Cuts the rows of every expert anyhow, and puts the segments one after the other in any order.
segment_list random_segments(seeded& random, std::vector<std::int64_t> const& counts) {
  segment_list out;
  std::vector<std::int64_t> rows;
  out.offsets.push_back(0);
  for (std::int64_t const count : counts) {
    for (std::int64_t begin = 0; begin < count;) {
      rows.push_back(random.between(1, count - begin));
      out.segments.push_back({begin, 0});
      begin += rows.back();
    }
    out.offsets.push_back(std::ssize(rows));
  }
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[at(random.below(static_cast<std::int64_t>(i)))]);
  std::int64_t slot = 0;
  for (std::size_t const i : order) {
    out.segments[i].slot = slot;
    slot += rows[i];
  }
  return out;
}

template <class Id>
std::vector<std::int32_t> naive_slots(table<Id> const& ids, segment_list const& lists) {
  std::vector<std::int32_t> slots;
  std::vector<std::int64_t> seen(lists.offsets.size(), 0);
  for (std::int64_t t = 0; t < ids.rows; ++t)
    for (std::int64_t k = 0; k < ids.cols; ++k) {
      auto const e = at(ids(t, k));
      std::int64_t slot = -1;
      for (auto s = at(lists.offsets[e]); s < at(lists.offsets[e + 1]); ++s)
        if (lists.segments[s].begin <= seen[e])
          slot = lists.segments[s].slot + seen[e] - lists.segments[s].begin;
      slots.push_back(static_cast<std::int32_t>(slot));
      ++seen[e];
    }
  return slots;
}

TEMPLATE_TEST_CASE("index: every row finds its slot, choice by choice", "[device]", std::int32_t,
                   std::int64_t) {
  host_device device;  // one for all: its scratch changes nothing
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const experts = random.int32(1, 6);  // few, so that tokens name one more than once
    auto const ids = random_ids<TestType>(random, experts);
    auto const lists = random_segments(random, count(ids.view(), experts).counts);
    std::vector<std::int32_t> slots(at(ids.rows * ids.cols), -5);
    device.index(q, ids.view(), experts, lists.offsets.data(), lists.segments.data(), slots.data());
    REQUIRE(slots == naive_slots(ids, lists));
    std::sort(slots.begin(), slots.end());
    std::vector<std::int32_t> all(slots.size());
    std::iota(all.begin(), all.end(), 0);
    REQUIRE(slots == all);  // each slot once
  }
}

// ---- rows -----------------------------------------------------------------------------------

std::vector<std::byte> random_bytes(seeded& random, std::int64_t n) {
  std::vector<std::byte> bytes(at(n));
  for (auto& b : bytes) b = static_cast<std::byte>(random.below(256));
  return bytes;
}

std::vector<std::int32_t> random_order(seeded& random, std::int64_t n) {
  std::vector<std::int32_t> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[at(random.below(static_cast<std::int64_t>(i)))]);
  return order;
}

TEST_CASE("pack: every choice of a token gets a copy of its row", "[device]") {
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const tokens = random.between(0, 9);
    auto const choices = random.between(1, 4);
    auto const bytes = random.between(1, 13);
    auto const stride = bytes + random.between(0, 5);
    auto const x = random_bytes(random, tokens * stride);
    auto const slots = random_order(random, tokens * choices);
    std::vector<std::byte> out(at(tokens * choices * bytes), std::byte{0});
    device.pack(q, x.data(), bytes, stride, choices, slots.data(), tokens * choices, out.data());
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t k = 0; k < choices; ++k)
        for (std::int64_t b = 0; b < bytes; ++b)
          REQUIRE(out[at(slots[at(t * choices + k)] * bytes + b)] == x[at(t * stride + b)]);
  }
}

TEST_CASE("move_rows: chunks are copied, and nothing else is touched", "[device]") {
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const bytes = random.between(1, 9);
    auto const src = random_bytes(random, 30 * bytes);
    auto out = random_bytes(random, 40 * bytes);
    auto expected = out;
    std::vector<row_chunk> chunks;
    for (std::int64_t to = random.between(0, 9); to < 36; to += random.between(0, 9)) {
      row_chunk const c{random.between(0, 26), to, random.between(1, 4)};
      chunks.push_back(c);
      for (std::int64_t b = 0; b < c.rows * bytes; ++b)
        expected[at(c.to * bytes + b)] = src[at(c.from * bytes + b)];
      to += c.rows;
    }
    device.move_rows(q, src.data(), bytes, chunks.data(), std::ssize(chunks), out.data());
    REQUIRE(out == expected);
  }
}

TEST_CASE("row operations: none of no rows, from null pointers", "[device]") {
  host_device device;
  host_device::queue q;
  CHECK_NOTHROW(device.pack(q, nullptr, 8, 8, 2, nullptr, 0, nullptr));
  CHECK_NOTHROW(device.move_rows(q, nullptr, 8, nullptr, 0, nullptr));
  CHECK_NOTHROW(device.copy(q, nullptr, nullptr, 0));
  CHECK_NOTHROW(device.combine(q, static_cast<float const*>(nullptr), nullptr,
                               matrix_ref<float const>(nullptr, 0, 2),
                               matrix_ref<float>(nullptr, 0, 4)));
  CHECK_NOTHROW(
      device.index(q, matrix_ref<std::int32_t const>(nullptr, 0, 2), 0, nullptr, nullptr, nullptr));
}

// Small whole numbers and halves, so that no sum is rounded, in whichever order.
template <class T>
T simple(seeded& random) {
  return static_cast<T>(random.between(-8, 8)) / T{2};
}

TEMPLATE_TEST_CASE("combine: every token's rows are summed with their gates", "[device]",
                   (std::tuple<float, float>), (std::tuple<float, double>),
                   (std::tuple<double, float>), (std::tuple<double, double>)) {
  using row = std::tuple_element_t<0, TestType>;
  using gate = std::tuple_element_t<1, TestType>;
  host_device device;
  host_device::queue q;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    table<gate> gates(random.between(0, 6), random.between(1, 9), random.between(0, 2),
                      std::numeric_limits<gate>::quiet_NaN());
    table<row> out(gates.rows, random.between(1, 7), random.between(0, 3), row{77});
    auto const n = gates.rows * gates.cols;
    auto const slots = random_order(random, n);
    std::vector<row> y(at(n * out.cols));
    for (row& value : y) value = simple<row>(random);
    auto expected = out;
    for (std::int64_t t = 0; t < out.rows; ++t) {
      for (std::int64_t h = 0; h < out.cols; ++h) expected(t, h) = 0;
      for (std::int64_t k = 0; k < gates.cols; ++k) {
        gates(t, k) = simple<gate>(random);
        for (std::int64_t h = 0; h < out.cols; ++h)
          expected(t, h) +=
              static_cast<row>(gates(t, k)) * y[at(slots[at(t * gates.cols + k)] * out.cols + h)];
      }
    }
    device.combine(q, y.data(), slots.data(), std::as_const(gates).view(), out.view());
    REQUIRE(out.data == expected.data);  // what lies between the rows included
  }
}

template <class Row>
Row combined(std::vector<Row> const& y) {
  host_device device;
  host_device::queue q;
  std::vector<double> const gates(y.size(), 1.0);
  auto const slots = [&y] {
    std::vector<std::int32_t> order(y.size());
    std::iota(order.begin(), order.end(), 0);
    return order;
  }();
  Row out = 0;
  auto const choices = std::ssize(y);
  device.combine(q, y.data(), slots.data(), matrix_ref<double const>(gates.data(), 1, choices),
                 matrix_ref<Row>(&out, 1, 1));
  return out;
}

TEST_CASE("combine: sums in the order of choices, in the row's accumulator", "[device]") {
  CHECK(combined<float>({1e8F, 1.0F, -1e8F}) == 0.0F);  // a double would have kept the 1
  CHECK(combined<float>({1e8F, -1e8F, 1.0F}) == 1.0F);
  CHECK(combined<double>({1e17, 1.0, -1e17}) == 0.0);
  CHECK(combined<double>({1e17, -1e17, 1.0}) == 1.0);
  CHECK(combined<double>({1e8, 1.0, -1e8}) == 1.0);
}

TEMPLATE_TEST_CASE("combine: many choices are summed in their order too", "[device]", float,
                   double) {
  // beside `large` a 1 is lost; two 1s that were summed first would not be
  TestType const large = 2 / std::numeric_limits<TestType>::epsilon();
  for (std::size_t const choices : {4U, 6U, 9U}) {
    for (std::size_t first = 0; first < choices; ++first) {
      for (std::size_t last = first + 1; last < choices; ++last) {
        CAPTURE(choices, first, last);
        std::vector<TestType> y(choices, TestType{1});
        y[first] = large;
        y[last] = -large;
        TestType one_by_one = 0;
        for (TestType const value : y) one_by_one += value;
        CHECK(combined(y) == one_by_one);
      }
    }
  }
}

TEST_CASE("allocate: memory is aligned to 256 bytes, and copy fills it", "[device]") {
  host_device device;
  auto q = device.make_queue();
  for (byte_count const bytes : {0, 1, 255, 256, 4097}) {
    void* const p = device.allocate(bytes);
    void* const staging = device.allocate_staging(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
    std::memset(staging, 42, at(bytes));
    device.copy(q, p, staging, bytes);
    CHECK((bytes == 0 || std::memcmp(p, staging, at(bytes)) == 0));
    device.deallocate_staging(staging);
    device.deallocate(p);
  }
}

}  // namespace
