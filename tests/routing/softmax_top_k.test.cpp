// SPDX-License-Identifier: Apache-2.0
#include <llep/routing/softmax_top_k.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <tuple>
#include <vector>

#include <llep/testing/seeded.hpp>

#include "support/routing_case.hpp"

namespace {

using namespace llep;
using testing::check_refused;
using testing::is_close;
using testing::padded;
using testing::seeded;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// ---- the models' way of writing it: softmax over all, pick, divide by the sum of the picked ----

std::vector<double> gates_by_formula(softmax_top_k const& policy, std::vector<double> const& logits,
                                     std::vector<std::int64_t> const& chosen) {
  long double z = 0;
  for (double const x : logits) z += std::exp(static_cast<long double>(x));
  std::vector<long double> p;
  for (std::int64_t const e : chosen)
    p.push_back(std::exp(static_cast<long double>(logits[at(e)])) / z);
  long double const all = policy.normalised ? std::accumulate(p.begin(), p.end(), 0.0L) : 1.0L;
  std::vector<double> gates;
  for (long double const x : p) gates.push_back(static_cast<double>(policy.scale * x / all));
  return gates;
}

std::vector<std::int64_t> ids_by_sorting(std::vector<double> const& logits, std::int64_t k) {
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return logits[at(a)] > logits[at(b)]; });
  order.resize(at(k));
  return order;
}

// ---- forward --------------------------------------------------------------------------------

struct routed {
  std::vector<std::int32_t> ids;
  std::vector<double> gates;
};

routed route(softmax_top_k const& policy, std::vector<double> const& logits, std::int64_t k) {
  padded<double> const in(logits);
  padded<std::int32_t> ids(1, k);
  padded<double> gates(1, k);
  policy.forward(in.ref(), ids.ref(), gates.ref());
  return {ids.row(0), gates.row(0)};
}

void check_gates(routed const& got, std::vector<double> const& expected) {
  REQUIRE(got.gates.size() == expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CAPTURE(k, got.gates[k], expected[k]);
    CHECK(is_close<double>(got.gates[k], expected[k]));
  }
}

bool all_nan(std::vector<double> const& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
}

TEST_CASE("softmax_top_k: an example by hand", "[routing]") {
  std::vector<double> const logits{std::log(1), std::log(2), std::log(4), std::log(3)};
  auto const selected = route({}, logits, 2);
  CHECK(selected.ids == std::vector{2, 3});
  check_gates(selected, {4.0 / 7, 3.0 / 7});
  auto const all = route({.normalised = false}, logits, 2);
  CHECK(all.ids == std::vector{2, 3});
  check_gates(all, {0.4, 0.3});
  check_gates(route({.normalised = false, .scale = 16}, logits, 2), {6.4, 4.8});
  check_gates(route({.scale = 0.5}, logits, 3), {4.0 / 18, 3.0 / 18, 2.0 / 18});
  check_gates(route({}, logits, 1), {1});
  check_gates(route({.normalised = false}, logits, 1), {0.4});
  check_gates(route({}, {-3}, 1), {1});
  check_gates(route({.normalised = false}, {-3}, 1), {1});
}

using types =
    std::tuple<std::tuple<float, std::int32_t, float>, std::tuple<double, std::int64_t, double>,
               std::tuple<float, std::int64_t, double>, std::tuple<double, std::int32_t, float>>;

TEMPLATE_LIST_TEST_CASE("softmax_top_k: ids and gates are what sorting and the formula give",
                        "[routing]", types) {
  using logit = std::tuple_element_t<0, TestType>;
  using id = std::tuple_element_t<1, TestType>;
  using gate = std::tuple_element_t<2, TestType>;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const tokens = random.between(0, 4);
    auto const experts = random.between(1, 20);
    auto const k = random.chance(20) ? experts : random.between(1, experts);
    softmax_top_k const policy{random.chance(50), random.one_of({1.0, 2.5, -1.0})};
    padded<logit> logits(tokens, experts, random.between(0, 3));
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t e = 0; e < experts; ++e)  // halves, so that there are ties
        logits[t][e] = static_cast<logit>(random.between(-8, 8)) / 2;
    padded<id> ids(tokens, k, random.between(0, 3));
    padded<gate> gates(tokens, k, random.between(0, 3));
    policy.forward(logits.ref(), ids.ref(), gates.ref());
    REQUIRE((ids.padding_is_untouched() && gates.padding_is_untouched()));
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::vector<double> const row(logits[t], logits[t] + experts);
      auto const chosen = ids_by_sorting(row, k);
      REQUIRE(std::equal(chosen.begin(), chosen.end(), ids[t]));
      auto const expected = gates_by_formula(policy, row, chosen);
      for (std::int64_t i = 0; i < k; ++i) REQUIRE(is_close<gate>(gates[t][i], expected[at(i)]));
    }
  }
}

TEST_CASE("softmax_top_k: logits of any size neither overflow nor lose the order", "[routing]") {
  check_gates(route({}, {1e308, -1e308}, 2), {1, 0});
  check_gates(route({}, {1000, 1000, 999}, 2), {0.5, 0.5});
  check_gates(route({}, {-1000, -1000}, 2), {0.5, 0.5});
  check_gates(route({.normalised = false}, {-1000, -1000, -2000}, 1), {0.5});
  auto const tiny = route({.normalised = false}, {0, -2000, -1999, -1998}, 3);
  CHECK(tiny.ids == std::vector{0, 3, 2});  // although both probabilities are 0 by rounding
  check_gates(tiny, {1, 0, 0});
}

TEST_CASE("softmax_top_k: equal logits go by their ids", "[routing]") {
  for (bool const normalised : {true, false}) {
    CHECK(route({normalised}, {1, 2, 2, 1, 2}, 4).ids == std::vector{1, 2, 4, 0});
    CHECK(route({normalised}, {0, 0, 0}, 2).ids == std::vector{0, 1});
  }
}

TEST_CASE("softmax_top_k: a NaN is selected last and shows in every gate whose softmax has it",
          "[routing]") {
  auto const spared = route({}, {nan, 1, 1, nan}, 2);
  CHECK(spared.ids == std::vector{1, 2});
  check_gates(spared, {0.5, 0.5});
  auto const taken = route({}, {nan, 1, 1, nan}, 3);
  CHECK(taken.ids == std::vector{1, 2, 0});
  CHECK(all_nan(taken.gates));
  auto const all = route({.normalised = false}, {nan, 1, 2, 3}, 2);
  CHECK(all.ids == std::vector{3, 2});
  CHECK(all_nan(all.gates));
  CHECK(all_nan(route({}, {nan, nan}, 1).gates));
}

TEST_CASE("softmax_top_k: minus infinity masks an expert; infinities alone give NaN", "[routing]") {
  auto const masked = route({.normalised = false}, {-infinity, 0, -infinity, 0}, 3);
  CHECK(masked.ids == std::vector{1, 3, 0});
  check_gates(masked, {0.5, 0.5, 0});
  CHECK(all_nan(route({}, {-infinity, -infinity}, 2).gates));
  CHECK(all_nan(route({}, {infinity, 0}, 1).gates));
  CHECK(route({}, {0, infinity, nan}, 1).ids == std::vector{1});
}

// ---- backward -------------------------------------------------------------------------------

struct slope_case {
  softmax_top_k policy;
  std::int64_t tokens, experts, choices;
  padded<double> logits, grad_gates;
  padded<std::int64_t> ids;

  slope_case(seeded& random, bool normalised)
      : policy{normalised, random.one_of({1.0, 2.5})},
        tokens(random.between(1, 3)),
        experts(random.between(1, 12)),
        choices(random.chance(20) ? experts : random.between(1, experts)),
        logits(tokens, experts, random.between(0, 2)),
        grad_gates(tokens, choices, random.between(0, 2)),
        ids(tokens, choices, random.between(0, 2)) {
    fill_apart(random, logits, 3);
    fill_apart(random, grad_gates, 1);
    padded<double> gates(tokens, choices);
    policy.forward(logits.ref(), ids.ref(), gates.ref());
  }

  // Of the sum over k of grad_gates x the formula's gates, by the logit of e.
  [[nodiscard]] double slope(std::int64_t t, std::int64_t e) const {
    double const h = 1e-5;
    double loss[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<double> moved = logits.row(t);
      moved[at(e)] += side == 0 ? -h : h;
      auto const gates = gates_by_formula(policy, moved, ids.row(t));
      loss[side] = std::inner_product(gates.begin(), gates.end(), grad_gates[t], 0.0);
    }
    return (loss[1] - loss[0]) / (2 * h);
  }
};

TEST_CASE("softmax_top_k: backward is the slope of the gates, of any choice of experts",
          "[routing]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    slope_case c(random, random.chance(50));
    if (random.chance(30))  // somebody else's choice, in any order, and more than once
      for (std::int64_t t = 0; t < c.tokens; ++t)
        for (std::int64_t k = 0; k < c.choices; ++k) c.ids[t][k] = random.below(c.experts);
    padded<double> grad(c.tokens, c.experts, 2);
    c.policy.backward(c.logits.ref(), c.ids.ref(), c.grad_gates.ref(), grad.ref());
    REQUIRE(grad.padding_is_untouched());
    for (std::int64_t t = 0; t < c.tokens; ++t)
      for (std::int64_t e = 0; e < c.experts; ++e) {
        CAPTURE(t, e, grad[t][e], c.slope(t, e));
        REQUIRE(std::fabs(grad[t][e] - c.slope(t, e)) <= 1e-8);
      }
  }
}

TEST_CASE("softmax_top_k: a token's gradients sum to 0, and an expert without one gets 0",
          "[routing]") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    slope_case const c(random, random.chance(50));
    padded<double> grad(c.tokens, c.experts);
    c.policy.backward(c.logits.ref(), c.ids.ref(), c.grad_gates.ref(), grad.ref());
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      auto const row = grad.row(t);
      CHECK(std::fabs(std::accumulate(row.begin(), row.end(), 0.0)) <= 1e-14);
      auto const ids = c.ids.row(t);
      for (std::int64_t e = 0; e < c.experts; ++e)
        if (std::find(ids.begin(), ids.end(), e) == ids.end())
          CHECK((row[at(e)] == 0) == c.policy.normalised);
    }
  }
}

TEMPLATE_LIST_TEST_CASE("softmax_top_k: backward gives the same in all types", "[routing]", types) {
  using logit = std::tuple_element_t<0, TestType>;
  using id = std::tuple_element_t<1, TestType>;
  using gate = std::tuple_element_t<2, TestType>;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    slope_case const c(random, random.chance(50));
    padded<logit> logits(c.tokens, c.experts);
    padded<id> ids(c.tokens, c.choices);
    padded<gate> grad_gates(c.tokens, c.choices);
    padded<logit> grad(c.tokens, c.experts);
    padded<double> expected(c.tokens, c.experts);
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      std::transform(c.logits[t], c.logits[t] + c.experts, logits[t],
                     [](double x) { return static_cast<logit>(x); });
      std::transform(c.ids[t], c.ids[t] + c.choices, ids[t],
                     [](std::int64_t x) { return static_cast<id>(x); });
      std::transform(c.grad_gates[t], c.grad_gates[t] + c.choices, grad_gates[t],
                     [](double x) { return static_cast<gate>(x); });
    }
    c.policy.backward(c.logits.ref(), c.ids.ref(), c.grad_gates.ref(), expected.ref());
    c.policy.backward(logits.ref(), ids.ref(), grad_gates.ref(), grad.ref());
    for (std::int64_t t = 0; t < c.tokens; ++t)
      for (std::int64_t e = 0; e < c.experts; ++e)
        REQUIRE(std::fabs(double{grad[t][e]} - expected[t][e]) <= 3e-6);
  }
}

TEST_CASE("softmax_top_k: backward keeps to 0 for what is masked, and lets a NaN through",
          "[routing]") {
  padded<std::int32_t> const ids(std::vector{1, 3});
  padded<double> const d(std::vector{1.0, -2.0});
  padded<double> grad(1, 4);
  auto const backward = [&](bool normalised, std::vector<double> const& logits) {
    softmax_top_k{normalised}.backward(padded<double>(logits).ref(), ids.ref(), d.ref(),
                                       grad.ref());
    return grad.row(0);
  };
  for (bool const normalised : {true, false}) {
    auto const masked = backward(normalised, {-infinity, 0, -infinity, 0});
    CHECK(is_close<double>(masked[1], 0.75));
    CHECK(is_close<double>(masked[3], -0.75));
    CHECK((masked[0] == 0 && masked[2] == 0));
  }
  auto const spared = backward(true, {nan, 0, nan, 0});
  CHECK((is_close<double>(spared[1], 0.75) && spared[0] == 0));
  auto const taken = backward(true, {0, 0, 0, nan});
  CHECK((taken[0] == 0 && std::isnan(taken[1]) && taken[2] == 0 && std::isnan(taken[3])));
  CHECK(all_nan(backward(false, {nan, 0, 0, 0})));
}

// ---- types ----------------------------------------------------------------------------------

template <class Logit, class Id, class Gate>
concept forwards = requires(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> gates) {
  softmax_top_k{}.forward(logits, ids, gates);
};

TEST_CASE("softmax_top_k: it takes float and double, int32 and int64, and writes to nothing const",
          "[routing]") {
  STATIC_REQUIRE(std::regular<softmax_top_k>);
  STATIC_REQUIRE(forwards<float, std::int32_t, float>);
  STATIC_REQUIRE(forwards<double const, std::int64_t, float>);
  STATIC_REQUIRE_FALSE(forwards<int, std::int32_t, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::uint32_t, float>);
  STATIC_REQUIRE_FALSE(forwards<float, float, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::int32_t const, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::int32_t, float const>);
}

// ---- refusals -------------------------------------------------------------------------------

TEST_CASE("softmax_top_k: no tokens need no data", "[routing]") {
  softmax_top_k const policy;
  matrix_ref<float const> const logits(nullptr, 0, 4);
  matrix_ref<std::int32_t> const ids(nullptr, 0, 2);
  matrix_ref<float> const gates(nullptr, 0, 2);
  CHECK_NOTHROW(policy.forward(logits, ids, gates));
  CHECK_NOTHROW(policy.backward(logits, ids, gates, matrix_ref<float>(nullptr, 0, 4)));
}

TEST_CASE("softmax_top_k: shapes that don't fit are refused, and nothing is written", "[routing]") {
  for (bool const normalised : {true, false}) {
    softmax_top_k const policy{normalised};
    testing::check_shapes_refused([=](auto... m) { policy.forward(m...); },
                                  [=](auto... m) { policy.backward(m...); });
  }
}

TEST_CASE("softmax_top_k: a scale that isn't finite is refused", "[routing]") {
  for (double const bad : {nan, infinity, -infinity}) {
    padded<double> logits(std::vector{1.0, 2.0});
    padded<std::int32_t> ids(std::vector{0});
    padded<double> gates(1, 1);
    softmax_top_k const policy{.scale = bad};
    check_refused("scale", [&] { policy.forward(logits.ref(), ids.ref(), gates.ref()); });
    check_refused("scale", [&] {
      policy.backward(logits.ref(), ids.ref(), gates.ref(), padded<double>(1, 2).ref());
    });
    CHECK(gates.is_untouched());
  }
}

}  // namespace
