// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "support/random_gradients.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

// ---- results written over what they are made of -------------------------------------------------

/// As train_layer, one step, with `out` where x was, and the gradients where grad_out and gates
/// were.
template <placement Placement, class T>
gradients<T> train_in_place(random_layer<T> const& layer, std::vector<T> const& grad_out,
                            training const& how) {
  using kernel_type = swiglu_loops<T>;
  gradients<T> result(layer);
  result.out = layer.x;
  result.hidden = grad_out;
  result.gates = layer.gates;
  emulated::run<Placement>(layer.ranks, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<least_loaded, group_type, kernel_type> moe(q, group, layer.owner, moves_most);
    auto const x = rows_of<T>(result.out, mine, layer.hidden);
    auto const upstream = rows_of<T>(result.hidden, mine, layer.hidden);
    auto const gates = rows_of<T>(result.gates, mine, layer.choices);
    training_record<host_device, T> record =
        moe.forward(q, kernel, x, rows_of(layer.ids, mine, layer.choices), gates, x, how);
    moe.backward(q, kernel, record, upstream, upstream, gates);
  });
  return result;
}

TEST_CASE("in place: gradients may lie where grad_out and gates did, out where hidden did",
          "[backward][in-place]") {
  for (std::uint64_t seed = 900; seed < 930; ++seed) {
    auto const layer = make_layer<double>(seed);
    auto const grad_out = random_grad_out(layer, seed);
    auto const apart =
        train_layer<placement::packed, global_order>(layer, grad_out, moves_most, {training{}})[0];
    for (auto const& how : all_trainings()) {
      CAPTURE(seed, how.recompute, how.lend_again, how.resend_outputs);
      CHECK(train_in_place<placement::packed>(layer, grad_out, how) == apart);
      CHECK(train_in_place<placement::segments>(layer, grad_out, how) == apart);
    }
  }
}

TEST_CASE("in place: out may lie where hidden did, without a record", "[dispatcher][in-place]") {
  for (std::uint64_t seed = 930; seed < 950; ++seed) {
    CAPTURE(seed);
    auto const layer = make_layer<float>(seed);
    auto out = layer.x;
    emulated::run<placement::packed>(layer.ranks, [&](auto& group) {
      using group_type = std::remove_reference_t<decltype(group)>;
      auto const mine = all_tokens(layer, group.rank());
      swiglu_loops<float> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
      host_device::queue q;
      dispatcher<least_loaded, group_type, swiglu_loops<float>> moe(q, group, layer.owner,
                                                                    moves_most);
      auto const x = rows_of<float>(out, mine, layer.hidden);
      moe.forward(q, kernel, x, rows_of(layer.ids, mine, layer.choices),
                  rows_of(layer.gates, mine, layer.choices), x);
    });
    CHECK(out == layer.dense());
  }
}

// ---- what counts as an overlap ------------------------------------------------------------------

template <class T>
std::set<std::uintptr_t> bytes_of(matrix_ref<T> m) {
  std::set<std::uintptr_t> all;
  for (std::int64_t i = 0; i < m.rows; ++i) {
    auto const first = reinterpret_cast<std::uintptr_t>(m.row(i));
    for (std::uintptr_t b = 0; b < static_cast<std::uintptr_t>(m.cols) * sizeof(T); ++b)
      all.insert(first + b);
  }
  return all;
}

template <class T, class U>
bool share_a_byte(matrix_ref<T> a, matrix_ref<U> b) {
  auto const all = bytes_of(a);
  for (auto const byte : bytes_of(b))
    if (all.contains(byte)) return true;
  return false;
}

TEST_CASE("in place: an overlap is found, and what only lies in between is none", "[in-place]") {
  std::vector<double> memory(200);
  std::mt19937_64 random(7);
  auto const from = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random() % at(most - least + 1));
  };
  int found = 0;
  for (int i = 0; i < 20000; ++i) {
    auto const wide = [&](auto* first) {
      auto const cols = from(1, 4);
      return matrix_ref(first + from(0, 40), from(1, 5), cols, cols + from(0, 3));
    };
    auto const a = wide(memory.data());
    auto b = wide(reinterpret_cast<float*>(memory.data()));
    auto const c = wide(memory.data());
    if (i % 2 == 0) b.stride = 2 * std::max<std::int64_t>(a.stride, b.cols);  // often that of `a`
    CAPTURE(a.data - memory.data(), a.rows, a.cols, a.stride);
    CAPTURE(c.data - memory.data(), c.rows, c.cols, c.stride);
    auto const check = [&](auto one, auto other) {
      using detail::byte_runs;
      byte_runs const x(one);
      byte_runs const y(other);
      bool const known = x.count == 1 || y.count == 1 || x.stride == y.stride;
      bool const meet = known && share_a_byte(one, other);
      REQUIRE(detail::overlap(x, y) == meet);
      REQUIRE(detail::overlap(y, x) == meet);
      found += static_cast<int>(meet);
    };
    check(a, b);
    check(a, c);
    check(b, c);
  }
  CHECK(found > 2000);
}

TEST_CASE("in place: the largest strides are taken", "[in-place]") {
  double number = 0;
  constexpr std::int64_t huge = std::int64_t{1} << 53;
  matrix_ref const far(&number, (std::int64_t{1} << 31) - 1, 1, huge);
  matrix_ref const here(&number, 1, 1);
  matrix_ref const wide(&number, (std::int64_t{1} << 31) - 1, huge);
  using detail::byte_runs;
  CHECK(detail::overlap(byte_runs(far), byte_runs(here)));
  CHECK(detail::overlap(byte_runs(wide), byte_runs(far)));
  CHECK(detail::overlap(byte_runs(wide), byte_runs(wide)));
}

TEST_CASE("in place: gradients and gates may be columns of one matrix", "[backward][in-place]") {
  auto const layer = make_layer<double>(960);
  auto const grad_out = random_grad_out(layer, 960);
  auto const n = layer.all_tokens();
  auto const width = 2 * layer.hidden + 2 * layer.choices;
  std::vector<double> table(at(n * width), std::nan(""));  // out, gates, grad_hidden, grad_gates
  for (std::int64_t t = 0; t < n; ++t)
    for (std::int64_t k = 0; k < layer.choices; ++k)
      table[at(t * width + layer.hidden + k)] = layer.gates[at(t * layer.choices + k)];
  gradients<double> result(layer);
  emulated::run(layer.ranks, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<swiglu_loops<double>>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<least_loaded, group_type, swiglu_loops<double>> moe(q, group, layer.owner,
                                                                   moves_most);
    double* const row = table.data() + mine.first * width;
    auto const columns = [&](std::int64_t first, std::int64_t count) {
      return matrix_ref<double>(row + first, mine.count, count, width);
    };
    auto const [h, k] = std::pair(layer.hidden, layer.choices);
    training_record<host_device, double> record =
        moe.forward(q, kernel, rows_of(layer.x, mine, h), rows_of(layer.ids, mine, k),
                    columns(h, k), columns(0, h), training{});
    moe.backward(q, kernel, record, rows_of(grad_out, mine, h), columns(h + k, h),
                 columns(2 * h + k, k));
  });
  auto const apart =
      train_layer<placement::packed, global_order>(layer, grad_out, moves_most, {training{}})[0];
  for (std::int64_t t = 0; t < n; ++t) {
    double const* const row = table.data() + t * width;
    for (std::int64_t h = 0; h < layer.hidden; ++h) {
      REQUIRE(row[h] == apart.out[at(t * layer.hidden + h)]);
      REQUIRE(row[layer.hidden + layer.choices + h] == apart.hidden[at(t * layer.hidden + h)]);
    }
    for (std::int64_t k = 0; k < layer.choices; ++k)
      REQUIRE(row[2 * layer.hidden + layer.choices + k] == apart.gates[at(t * layer.choices + k)]);
  }
  CHECK(result.weights == apart.weights);
}

}  // namespace
