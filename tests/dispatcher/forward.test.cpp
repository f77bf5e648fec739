// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include "support/random_layer.hpp"
#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

template <class T>
void check_everywhere(random_layer<T> const& layer, emulated::options const& how) {
  auto const expected = layer.dense();
  CHECK(run_layer<placement::segments, global_order>(layer, standard_ep{}, how) == expected);
  CHECK(run_layer<placement::packed, global_order>(layer, standard_ep{}, how) == expected);
  CHECK(run_layer<placement::segments, global_order>(layer, moves_most, how) == expected);
  CHECK(run_layer<placement::packed, global_order>(layer, moves_most, how) == expected);
  CHECK(run_layer<placement::segments, local_first>(layer, moves_most, how) == expected);
  CHECK(run_layer<placement::packed, local_first>(layer, moves_most, how) == expected);
  CHECK(run_layer<placement::segments, local_first>(layer, fallback<least_loaded>{moves_most},
                                                    how) == expected);
}

TEST_CASE("forward: random layers give the dense result bit by bit", "[dispatcher]") {
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{60}));
  CAPTURE(seed);
  auto const how = seed % 2 == 0 ? emulated::options{emulated::scheduling::concurrent}
                                 : emulated::options{emulated::scheduling::turns, seed};
  if (seed % 3 == 0)
    check_everywhere(make_layer<float>(seed), how);
  else
    check_everywhere(make_layer<double>(seed), how);
}

TEST_CASE("forward: no tokens anywhere is a step like any other", "[dispatcher]") {
  auto layer = make_layer<double>(3);
  layer.tokens.assign(at(layer.ranks), 0);
  std::mt19937_64 random(1);
  fill(layer, random);
  check_everywhere(layer, {});
}

TEST_CASE("forward: tokens on a single rank reach all others", "[dispatcher]") {
  auto layer = make_layer<double>(4);
  layer.ranks = 7;
  layer.tokens = {0, 0, 0, 41, 0, 0, 0};
  layer.owner = contiguous_owners(layer.experts, layer.ranks);
  std::mt19937_64 random(1);
  fill(layer, random);
  check_everywhere(layer, {});
}

TEST_CASE("forward: the loads are even after a step, and were not before", "[dispatcher]") {
  random_layer<double> layer;
  layer.ranks = 4;
  layer.experts = 8;
  layer.choices = 2;
  layer.tokens = {30, 50, 10, 10};
  layer.owner = contiguous_owners(8, 4);
  std::mt19937_64 random(9);
  fill(layer, random);
  for (auto& id : layer.ids) id = id == 7 ? 7 : 0;
  std::vector<double> out(layer.x.size());
  emulated::run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    swiglu_loops<double> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
    dispatcher<least_loaded, group_type, swiglu_loops<double>> moe(q, group, layer.owner,
                                                                   moves_most);
    step(layer, group.rank(), moe, q, kernel, out);
    std::vector<row_count> rows(4, 0);
    for (row_span const& s : moe.last_plan().spans) rows[at(s.rank)] += s.end - s.begin;
    if (group.rank() != 0) return;  // assertions aren't for several threads at once
    CHECK(rows == std::vector<row_count>{50, 50, 50, 50});
    CHECK(moe.last_problem().load[0] > 150);
    CHECK(moe.last_need(1, kernel).lent >= lent_expert_bytes(kernel));
  });
  CHECK(out == layer.dense());
}

TEST_CASE("forward: one dispatcher serves steps of any shape, one after the other",
          "[dispatcher]") {
  std::vector<random_layer<float>> layers;
  for (std::uint64_t seed = 100; seed < 130; ++seed) {
    auto layer = make_layer<float>(seed);
    std::mt19937_64 random(seed);
    layer.ranks = 5;
    layer.experts = 11;
    layer.owner = contiguous_owners(11, 5);
    layer.tokens.resize(5, 9);
    fill(layer, random);
    layers.push_back(layer);
  }
  std::vector<std::vector<float>> out;
  for (auto const& layer : layers) out.emplace_back(layer.x.size(), -1.F);
  emulated::run<placement::packed>(5, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    dispatcher<least_loaded, group_type, swiglu_loops<float>, local_first, checks_collective> moe(
        q, group, layers[0].owner, moves_most);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      swiglu_loops<float> kernel({layers[i].hidden, layers[i].inner},
                                 layers[i].native(group.rank()));
      step(layers[i], group.rank(), moe, q, kernel, out[i]);
    }
  });
  for (std::size_t i = 0; i < layers.size(); ++i) {
    CAPTURE(i);
    CHECK(out[i] == layers[i].dense());
  }
}

TEST_CASE("forward: strides, 64-bit ids and double gates are taken as they come", "[dispatcher]") {
  auto const layer = make_layer<float>(77);
  auto const wide_h = layer.hidden + 3;
  auto const wide_k = layer.choices + 2;
  auto const n = layer.all_tokens();
  std::vector<float> x(at(n * wide_h), 1e30F);
  std::vector<float> out(at(n * wide_h), -5.F);
  std::vector<std::int64_t> ids(at(n * wide_k), -9);
  std::vector<double> gates(at(n * wide_k), 1e300);
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t h = 0; h < layer.hidden; ++h)
      x[at(t * wide_h + h)] = layer.x[at(t * layer.hidden + h)];
    for (std::int64_t k = 0; k < layer.choices; ++k) {
      ids[at(t * wide_k + k)] = layer.ids[at(t * layer.choices + k)];
      gates[at(t * wide_k + k)] = static_cast<double>(layer.gates[at(t * layer.choices + k)]);
    }
  }
  emulated::run(layer.ranks, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    swiglu_loops<float> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
    dispatcher<least_loaded, group_type, swiglu_loops<float>> moe(q, group, layer.owner,
                                                                  moves_most);
    auto const t = layer.first_token(group.rank());
    auto const own = layer.tokens[at(group.rank())];
    moe.forward(q, kernel, {x.data() + t * wide_h, own, layer.hidden, wide_h},
                matrix_ref(ids.data() + t * wide_k, own, layer.choices, wide_k),
                matrix_ref(gates.data() + t * wide_k, own, layer.choices, wide_k),
                {out.data() + t * wide_h, own, layer.hidden, wide_h});
  });
  auto const expected = layer.dense();
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t h = 0; h < layer.hidden; ++h)
      REQUIRE(out[at(t * wide_h + h)] == expected[at(t * layer.hidden + h)]);
    for (std::int64_t h = layer.hidden; h < wide_h; ++h) REQUIRE(out[at(t * wide_h + h)] == -5.F);
  }
}

TEST_CASE("forward: on a device with streams of its own the result is the same", "[dispatcher]") {
  auto const seed = GENERATE(range(std::uint64_t{200}, std::uint64_t{212}));
  CAPTURE(seed);
  auto const layer = make_layer<double>(seed);
  std::vector<double> out(layer.x.size(), -1.0);
  auto const body = [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    stream_device::queue q;
    stream_kernel<swiglu_expert<double>> kernel({layer.hidden, layer.inner},
                                                layer.native(group.rank()));
    dispatcher<least_loaded, group_type, stream_kernel<swiglu_expert<double>>, local_first> moe(
        q, group, layer.owner, moves_most);
    stream_device::queue other;  // steps wait for each other, whatever queue they come on
    for (int i = 0; i < 4; ++i) step(layer, group.rank(), moe, i % 2 == 0 ? q : other, kernel, out);
    auto done = group.device().make_event();
    group.device().record(done, other);
    group.device().sync(done);
  };
  auto const make = [] { return stream_device(); };
  auto const ends = seed % 2 == 0 ? emulated::try_run<placement::packed>(layer.ranks, make, body)
                                  : emulated::try_run<placement::segments>(layer.ranks, make, body);
  for (auto const& text : texts(ends)) CHECK(text.empty());
  CHECK(out == layer.dense());
}

}  // namespace
