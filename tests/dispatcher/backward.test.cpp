// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include "support/random_gradients.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using emulated::scheduling;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

// ---- the oracle itself --------------------------------------------------------------------------

double loss(random_layer<double> const& layer, std::vector<double> const& grad_out) {
  auto const out = layer.dense();
  double sum = 0;
  for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * grad_out[i];
  return sum;
}

/// Slopes of the loss, one number of `list` at a time.
std::vector<double> slopes(random_layer<double>& layer, std::vector<double>& list,
                           std::vector<double> const& grad_out) {
  std::vector<double> all;
  constexpr double step = 1e-5;
  for (double& value : list) {
    double const old = value;
    value = old + step;
    double const above = loss(layer, grad_out);
    value = old - step;
    all.push_back((above - loss(layer, grad_out)) / (2 * step));
    value = old;
  }
  return all;
}

TEST_CASE("backward: the oracle's gradients are the slopes of the dense loss", "[backward]") {
  auto const seed = GENERATE(range(std::uint64_t{500}, std::uint64_t{500 + cases(6)}));
  CAPTURE(seed);
  auto layer = make_layer<double>(seed);
  layer.tokens.assign(at(layer.ranks), 2);
  std::mt19937_64 random(seed);
  fill(layer, random);
  auto const grad_out = random_grad_out(layer, seed);
  auto const expected = dense_gradients(layer, grad_out);
  CHECK(distance(layer.dense(), expected.out) < 1e-14);
  CHECK(distance(slopes(layer, layer.x, grad_out), expected.hidden) < 1e-7);
  CHECK(distance(slopes(layer, layer.gates, grad_out), expected.gates) < 1e-7);
  CHECK(distance(slopes(layer, layer.weights, grad_out), expected.weights) < 1e-7);
}

// ---- random layers ------------------------------------------------------------------------------

template <class Order, class T, class Policy>
void check_plan(random_layer<T> const& layer, std::vector<T> const& grad_out,
                gradients<long double> const& expected, gradients<T> const& reference,
                Policy const& policy, emulated::options const& how) {
  auto const ways = all_trainings();
  auto const one = train_layer<placement::segments, Order>(layer, grad_out, policy, ways, how);
  auto const two = train_layer<placement::packed, Order>(layer, grad_out, policy, ways, how);
  CHECK(distance(one[0], expected) <= rounding<T>);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    CAPTURE(ways[i].recompute, ways[i].lend_again, ways[i].resend_outputs);
    CHECK(one[i] == one[0]);  // to the bit, weights included
    CHECK(two[i] == one[0]);
  }
  CHECK(one[0].out == reference.out);
  CHECK(one[0].hidden == reference.hidden);
  CHECK(one[0].gates == reference.gates);
}

template <class T>
void check_everywhere(random_layer<T> const& layer, std::uint64_t seed,
                      emulated::options const& how) {
  auto const grad_out = random_grad_out(layer, seed);
  auto const expected = dense_gradients(layer, grad_out);
  auto const reference =
      train_layer<placement::segments, global_order>(layer, grad_out, standard_ep{}, {{}})[0];
  auto const check = [&](auto order, auto const& policy) {
    using order_type = decltype(order);
    check_plan<order_type>(layer, grad_out, expected, reference, policy, how);
  };
  check(global_order{}, standard_ep{});
  check(local_first{}, standard_ep{});
  check(global_order{}, moves_most);
  check(local_first{}, moves_most);
  check(global_order{}, least_loaded{1.0, 1, lla_rules::paper});
  check(local_first{}, least_loaded{1.0, 1, lla_rules::reference});
  check(global_order{}, spread_everywhere{});
  check(local_first{}, spread_everywhere{});
}

TEST_CASE("backward: random layers have the dense gradients, whatever the plan", "[backward]") {
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{cases(60)}));
  CAPTURE(seed);
  auto const how = seed % 2 == 0 ? emulated::options{scheduling::concurrent}
                                 : emulated::options{scheduling::turns, seed};
  if (seed % 3 == 0)
    check_everywhere(make_layer<float>(seed), seed, how);
  else
    check_everywhere(make_layer<double>(seed), seed, how);
}

TEST_CASE("backward: no tokens anywhere is a step like any other", "[backward]") {
  auto layer = make_layer<double>(3);
  layer.tokens.assign(at(layer.ranks), 0);
  std::mt19937_64 random(1);
  fill(layer, random);
  check_everywhere(layer, 1, {});
}

TEST_CASE("backward: one rank has all the tokens, another all the experts", "[backward]") {
  auto layer = make_layer<double>(4);
  layer.ranks = 7;
  layer.tokens = {0, 0, 0, 41, 0, 0, 0};
  layer.owner.assign(at(layer.experts), 5);
  std::mt19937_64 random(1);
  fill(layer, random);
  check_everywhere(layer, 1, {});
}

TEST_CASE("backward: one expert takes all rows, also twice of a token", "[backward]") {
  auto layer = make_layer<double>(5);
  layer.ranks = 8;
  layer.choices = 3;
  layer.tokens = {3, 0, 9, 1, 0, 4, 7, 2};
  layer.owner = contiguous_owners(layer.experts, 8);
  std::mt19937_64 random(1);
  fill(layer, random);
  layer.ids.assign(layer.ids.size(), layer.experts - 1);
  check_everywhere(layer, 1, {});
}

TEST_CASE("backward: a gradient that nobody chose is left as it was", "[backward]") {
  auto layer = make_layer<float>(6);
  layer.ranks = 3;
  layer.tokens = {9, 0, 5};
  layer.experts = 4;
  layer.owner = contiguous_owners(4, layer.ranks);
  std::mt19937_64 random(2);
  fill(layer, random);
  for (auto& id : layer.ids) id = id % 2;
  auto const grad_out = random_grad_out(layer, 6);
  auto const result =
      train_layer<placement::packed, global_order>(layer, grad_out, spread_everywhere{}, {{}})[0];
  auto const each = at(3 * layer.hidden * layer.inner);
  for (std::size_t i = 0; i < result.weights.size(); ++i)
    if (i / each >= 2) REQUIRE(result.weights[i] == 0.F);
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<float>);
}

TEST_CASE("backward: strides and double gates are taken as they come", "[backward]") {
  auto const layer = make_layer<float>(77);
  auto const grad_out = random_grad_out(layer, 77);
  auto const n = layer.all_tokens();
  auto const wide_h = layer.hidden + 3;
  auto const wide_k = layer.choices + 2;
  std::vector<double> gates(at(n * wide_k), 1e300);
  std::vector<double> grad_gates(at(n * wide_k), -5.0);
  std::vector<float> upstream(at(n * wide_h), 1e30F);
  std::vector<float> grad_hidden(at(n * wide_h), -5.F);
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t h = 0; h < layer.hidden; ++h)
      upstream[at(t * wide_h + h)] = grad_out[at(t * layer.hidden + h)];
    for (std::int64_t k = 0; k < layer.choices; ++k)
      gates[at(t * wide_k + k)] = static_cast<double>(layer.gates[at(t * layer.choices + k)]);
  }
  gradients<float> result(layer);
  emulated::run(layer.ranks, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<swiglu_loops<float>>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<least_loaded, group_type, swiglu_loops<float>> moe(q, group, layer.owner,
                                                                  moves_most);
    auto const t = mine.first;
    training_record<host_device, double> record = moe.forward(
        q, kernel, rows_of(layer.x, mine, layer.hidden), rows_of(layer.ids, mine, layer.choices),
        matrix_ref<double const>(gates.data() + t * wide_k, mine.count, layer.choices, wide_k),
        rows_of<float>(result.out, mine, layer.hidden), training{});
    moe.backward(q, kernel, record,
                 {upstream.data() + t * wide_h, mine.count, layer.hidden, wide_h},
                 {grad_hidden.data() + t * wide_h, mine.count, layer.hidden, wide_h},
                 {grad_gates.data() + t * wide_k, mine.count, layer.choices, wide_k});
  });
  auto const reference =
      train_layer<placement::segments, global_order>(layer, grad_out, moves_most, {{}})[0];
  CHECK(result.weights == reference.weights);
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t h = 0; h < wide_h; ++h)
      REQUIRE(grad_hidden[at(t * wide_h + h)] ==
              (h < layer.hidden ? reference.hidden[at(t * layer.hidden + h)] : -5.F));
    for (std::int64_t k = 0; k < wide_k; ++k)
      REQUIRE(grad_gates[at(t * wide_k + k)] ==
              (k < layer.choices ? static_cast<double>(reference.gates[at(t * layer.choices + k)])
                                 : -5.0));
  }
}

// ---- the same bits, however ranks are scheduled -------------------------------------------------

random_layer<double> small_layer() {
  random_layer<double> layer;
  layer.ranks = 4;
  layer.experts = 5;
  layer.choices = 2;
  layer.hidden = 3;
  layer.inner = 2;
  layer.tokens = {6, 0, 9, 4};
  layer.owner = {0, 0, 2, 3, 2};
  std::mt19937_64 random(8);
  fill(layer, random);
  return layer;
}

TEST_CASE("backward: concurrent runs give the same bits, gradients of weights included",
          "[backward]") {
  auto const layer = small_layer();
  auto const grad_out = random_grad_out(layer, 1);
  auto const first =
      train_layer<placement::segments, global_order>(layer, grad_out, spread_everywhere{}, {{}});
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    REQUIRE(train_layer<placement::segments, global_order>(layer, grad_out, spread_everywhere{},
                                                           {{}}) == first);
    REQUIRE(train_layer<placement::packed, global_order>(layer, grad_out, spread_everywhere{},
                                                         {{}}) == first);
  }
}

template <placement Placement, class Policy>
void check_seeds(Policy const& policy) {
  auto const layer = small_layer();
  auto const grad_out = random_grad_out(layer, 1);
  auto const expected =
      train_layer<Placement, global_order>(layer, grad_out, policy, {training{}})[0];
  CHECK(distance(expected, dense_gradients(layer, grad_out)) <= rounding<double>);
  auto const ways = all_trainings();
  for (std::uint64_t seed = 0; seed < cases(1000); ++seed) {
    CAPTURE(seed);
    REQUIRE(train_layer<Placement, global_order>(layer, grad_out, policy, {ways[seed % 8]},
                                                 {scheduling::turns, seed})[0] == expected);
  }
}

TEST_CASE("backward: no interleaving deadlocks or changes a bit, standard EP", "[backward]") {
  check_seeds<placement::segments>(standard_ep{});
}
TEST_CASE("backward: no interleaving deadlocks or changes a bit, least loaded", "[backward]") {
  check_seeds<placement::packed>(moves_most);
}
TEST_CASE("backward: no interleaving deadlocks or changes a bit, everything lent", "[backward]") {
  check_seeds<placement::segments>(spread_everywhere{});
}

// ---- the order in which gradients come together -------------------------------------------------

/// Gives one row each to ranks 3, 0, 2 and 1.
struct a_row_each {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {};

  void plan(problem const& in, memory& /*none*/, llep::plan& out) const {
    out.start(in);
    for (rank_id const r : {3, 0, 2, 1}) out.give(in, 0, r, 1);
  }
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const& /*none*/) const { return 0; }
  friend constexpr bool operator==(a_row_each const&, a_row_each const&) = default;
};

TEST_CASE("backward: an owner's own gradient comes first, then its helpers' by rank",
          "[backward]") {
  using kernel_type = loops_kernel<linear_expert<float>>;
  // y = x w, so a row's gradient of w is its x; all tokens are rank 0's
  std::vector<float> const x{0.5F, 1.F, 1e8F, -1e8F};  // of ranks 3, 0, 2, 1
  std::vector<float> const ones(4, 1.F);
  std::vector<std::int32_t> const ids(4, 0);
  float const weight = 1.F;
  for (auto const& how : all_trainings()) {
    std::vector<float> out(4), grad_hidden(4), grad_gates(4);
    float grad = 0.F;
    emulated::run(4, [&](auto& group) {
      using group_type = std::remove_reference_t<decltype(group)>;
      std::vector<rank_id> const owner{2};
      auto const n = group.rank() == 0 ? 4 : 0;
      bool const owns = group.rank() == 2;
      kernel_type kernel({1}, {{owns ? &weight : nullptr}}, {{owns ? &grad : nullptr}});
      host_device::queue q;
      dispatcher<a_row_each, group_type, kernel_type> moe(q, group, owner);
      auto record = moe.forward(q, kernel, matrix_ref(x.data(), n, 1), matrix_ref(ids.data(), n, 1),
                                matrix_ref(ones.data(), n, 1), matrix_ref(out.data(), n, 1), how);
      moe.backward(q, kernel, record, matrix_ref(ones.data(), n, 1),
                   matrix_ref(grad_hidden.data(), n, 1), matrix_ref(grad_gates.data(), n, 1));
    });
    CHECK(grad == ((1e8F + 1.F) + -1e8F) + 0.5F);  // 0.5; any other order gives 0, 1 or 1.5
    CHECK(grad_hidden == ones);
    CHECK(grad_gates == x);
  }
}

}  // namespace
