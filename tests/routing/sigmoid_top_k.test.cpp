// SPDX-License-Identifier: Apache-2.0
#include <llep/routing/sigmoid_top_k.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string_view>
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

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// ---- equations 12 to 16, by sorting ----------------------------------------------------------

// The first `count` of 0 .. values.size()-1 by descending value, equals in order.
std::vector<std::int64_t> sorted_first(std::vector<double> const& values, std::int64_t count) {
  std::vector<std::int64_t> order(values.size());
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::int64_t a, std::int64_t b) { return values[at(a)] > values[at(b)]; });
  order.resize(at(count));
  return order;
}

std::vector<std::int64_t> ids_by_sorting(sigmoid_top_k const& policy,
                                         std::vector<double> const& logits,
                                         std::vector<double> const& bias, std::int64_t k) {
  std::vector<double> c;
  for (std::size_t e = 0; e < logits.size(); ++e) c.push_back(sigmoid(logits[e]) + bias[e]);
  auto const each = std::ssize(logits) / policy.groups;
  std::vector<double> sums;
  for (std::int64_t g = 0; g < policy.groups; ++g) {
    std::vector<double> group(c.begin() + g * each, c.begin() + (g + 1) * each);
    std::sort(group.rbegin(), group.rend());
    sums.push_back(each == 1 ? group[0] : group[0] + group[1]);
  }
  auto const kept = sorted_first(sums, policy.kept_groups);
  for (std::int64_t e = 0; e < std::ssize(c); ++e)
    if (std::find(kept.begin(), kept.end(), e / each) == kept.end()) c[at(e)] = -infinity;
  return sorted_first(c, k);
}

std::vector<double> gates_by_formula(sigmoid_top_k const& policy, std::vector<double> const& logits,
                                     std::vector<std::int64_t> const& chosen) {
  double sum = 0;
  for (std::int64_t const e : chosen) sum += sigmoid(logits[at(e)]);
  std::vector<double> gates;
  for (std::int64_t const e : chosen)
    gates.push_back(policy.scale * sigmoid(logits[at(e)]) / (policy.normalised ? sum : 1.0));
  return gates;
}

sigmoid_top_k random_policy(seeded& random) {
  auto const groups = random.int32(1, 5);
  return {groups, random.int32(1, groups), random.chance(70), random.one_of({1.0, 2.5})};
}

// ---- forward --------------------------------------------------------------------------------

struct routed {
  std::vector<std::int32_t> ids;
  std::vector<double> gates;
};

routed route(sigmoid_top_k const& policy, std::vector<double> const& logits,
             std::vector<double> const& bias, std::int64_t k) {
  padded<double> const in(logits);
  padded<std::int32_t> ids(1, k);
  padded<double> gates(1, k);
  policy.forward(in.ref(), bias, ids.ref(), gates.ref());
  return {ids.row(0), gates.row(0)};
}

// Of a token whose experts all score 1/2, so that the bias alone decides.
std::vector<std::int32_t> ids_of(std::int32_t groups, std::int32_t kept_groups,
                                 std::vector<double> const& bias, std::int64_t k) {
  std::vector<double> const zeros(bias.size(), 0.0);
  return route({groups, kept_groups}, zeros, bias, k).ids;
}

void check_gates(std::vector<double> const& got, std::vector<double> const& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t k = 0; k < expected.size(); ++k) {
    CAPTURE(k, got[k], expected[k]);
    CHECK(is_close<double>(got[k], expected[k]));
  }
}

bool all_nan(std::vector<double> const& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return std::isnan(v); });
}

using ids = std::vector<std::int32_t>;

// Logits whose sigmoids are 1/4, 1/2 and 3/4.
double const quarter = -std::log(3);
double const half = 0;
double const three_quarters = std::log(3);

TEST_CASE("sigmoid_top_k: an example without groups, by hand", "[routing]") {
  std::vector<double> const logits{quarter, three_quarters, half, quarter};
  auto const plain = route({}, logits, {}, 2);
  CHECK(plain.ids == ids{1, 2});
  check_gates(plain.gates, {0.6, 0.4});
  check_gates(route({.scale = 2.5}, logits, {}, 2).gates, {1.5, 1});
  check_gates(route({.normalised = false, .scale = 2}, logits, {}, 3).gates, {1.5, 1, 0.5});
  check_gates(route({}, logits, {}, 1).gates, {1});
  check_gates(route({.normalised = false}, {half}, {}, 1).gates, {0.5});
}

TEST_CASE("sigmoid_top_k: the bias decides who is chosen, and isn't in the gates", "[routing]") {
  std::vector<double> const logits{quarter, three_quarters, half, quarter};
  auto const got = route({}, logits, {0, -1, 0, 0.5}, 2);
  CHECK(got.ids == ids{3, 2});
  check_gates(got.gates, {1.0 / 3, 2.0 / 3});
  CHECK(route({}, logits, {0, -infinity, 0, 0}, 3).ids == ids{2, 0, 3});
  CHECK(route({}, logits, {0, 0, 0, 0}, 4).ids == route({}, logits, {}, 4).ids);
}

TEST_CASE("sigmoid_top_k: a group counts by its two best, and only kept groups are chosen from",
          "[routing]") {
  // Two best: 0.5 + 0, 0.25 + 0, 0.75 - 0.375, so groups 0 and 2; experts 3 and 4 are out.
  std::vector<double> const bias{0.5, 0, -0.5, 0.25, 0, -0.5, 0.75, -0.375, -0.5};
  CHECK(ids_of(3, 2, bias, 4) == ids{6, 0, 1, 7});
  CHECK(ids_of(3, 1, bias, 3) == ids{0, 1, 2});
  CHECK(ids_of(3, 3, bias, 4) == ids{6, 0, 3, 1});
  CHECK(ids_of(1, 1, bias, 4) == ids{6, 0, 3, 1});
  // By its best alone group 1 would be kept; by its sum of three group 0 wouldn't.
  CHECK(ids_of(2, 1, {0.25, 0.25, -9, 0.5, -0.25, -0.25}, 2) == ids{0, 1});
}

TEST_CASE(
    "sigmoid_top_k: an expert of a group that isn't kept isn't selected, however low the rest",
    "[routing]") {
  CHECK(ids_of(2, 1, {-3, -1, -2, -2}, 2) == ids{1, 0});
  CHECK(ids_of(2, 1, {-infinity, 1, -infinity, -infinity}, 2) == ids{1, 0});
  CHECK(ids_of(2, 1, {-infinity, -infinity, -infinity, 5}, 2) == ids{0, 1});
}

TEST_CASE("sigmoid_top_k: a group of one expert counts by that", "[routing]") {
  CHECK(ids_of(4, 2, {0, 2, 1, 3}, 2) == ids{3, 1});
  CHECK(ids_of(1, 1, {0}, 1) == ids{0});
}

TEST_CASE("sigmoid_top_k: equal groups and equal experts go by their order", "[routing]") {
  CHECK(ids_of(4, 2, std::vector<double>(8, 0.0), 3) == ids{0, 1, 2});
  CHECK(ids_of(4, 2, {0, 0, 1, 1, 0, 0, 1, 1}, 3) == ids{2, 3, 6});
  CHECK(ids_of(3, 2, {0, 1, 9, 9, 1, 0}, 4) == ids{2, 3, 1, 0});
  // The second-best group comes first by id, and its expert ties with the best group's.
  CHECK(ids_of(2, 2, {1, 0, 1, 0.5}, 2) == ids{0, 2});
}

TEST_CASE(
    "sigmoid_top_k: DeepSeek-V3's numbers give 8 of 256 experts in 4 of 8 groups, summing "
    "to 2.5",
    "[routing]") {
  sigmoid_top_k const deepseek_v3{.groups = 8, .kept_groups = 4, .scale = 2.5};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    padded<double> logits(1, 256);
    padded<double> bias(1, 256);
    testing::fill_apart(random, logits, 3);
    for (std::int64_t e = 0; e < 256; ++e) bias[0][e] = 0.1 * random.real();
    auto const got = route(deepseek_v3, logits.row(0), bias.row(0), 8);
    auto const expected = ids_by_sorting(deepseek_v3, logits.row(0), bias.row(0), 8);
    CHECK(std::equal(expected.begin(), expected.end(), got.ids.begin()));
    std::vector<std::int32_t> groups;
    for (std::int32_t const e : got.ids) groups.push_back(e / 32);
    std::sort(groups.begin(), groups.end());
    CHECK(std::unique(groups.begin(), groups.end()) - groups.begin() <= 4);
    CHECK(is_close<double>(std::accumulate(got.gates.begin(), got.gates.end(), 0.0), 2.5));
  }
}

using types =
    std::tuple<std::tuple<float, std::int32_t, float>, std::tuple<double, std::int64_t, double>,
               std::tuple<float, std::int64_t, double>, std::tuple<double, std::int32_t, float>>;

TEMPLATE_LIST_TEST_CASE("sigmoid_top_k: ids and gates are what sorting and the formula give",
                        "[routing]", types) {
  using logit = std::tuple_element_t<0, TestType>;
  using id = std::tuple_element_t<1, TestType>;
  using gate = std::tuple_element_t<2, TestType>;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const policy = random_policy(random);
    auto const each = random.between(1, 6);
    auto const tokens = random.between(0, 4);
    auto const experts = policy.groups * each;
    auto const most = policy.kept_groups * each;
    auto const k = random.chance(20) ? most : random.between(1, most);
    padded<logit> logits(tokens, experts, random.between(0, 3));
    for (std::int64_t t = 0; t < tokens; ++t)
      for (std::int64_t e = 0; e < experts; ++e)  // halves, so that there are ties
        logits[t][e] = static_cast<logit>(random.between(-6, 6)) / 2;
    std::vector<logit> bias;
    for (std::int64_t e = 0; e < experts; ++e)
      bias.push_back(static_cast<logit>(random.between(-2, 2)) / 4);
    if (random.chance(20)) bias.clear();
    padded<id> chosen(tokens, k, random.between(0, 3));
    padded<gate> gates(tokens, k, random.between(0, 3));
    policy.forward(logits.ref(), bias, chosen.ref(), gates.ref());
    REQUIRE((chosen.padding_is_untouched() && gates.padding_is_untouched()));
    std::vector<double> all_bias(bias.begin(), bias.end());
    all_bias.resize(at(experts), 0.0);
    for (std::int64_t t = 0; t < tokens; ++t) {
      std::vector<double> const row(logits[t], logits[t] + experts);
      auto const expected = ids_by_sorting(policy, row, all_bias, k);
      REQUIRE(std::equal(expected.begin(), expected.end(), chosen[t]));
      auto const weights = gates_by_formula(policy, row, expected);
      for (std::int64_t i = 0; i < k; ++i) REQUIRE(is_close<gate>(gates[t][i], weights[at(i)]));
    }
  }
}

TEST_CASE("sigmoid_top_k: a NaN is selected last and shows in every gate that is divided by it",
          "[routing]") {
  std::vector<double> const logits{nan, half, nan, half};
  auto const spared = route({}, logits, {}, 2);
  CHECK(spared.ids == ids{1, 3});
  check_gates(spared.gates, {0.5, 0.5});
  auto const taken = route({}, logits, {}, 3);
  CHECK(taken.ids == ids{1, 3, 0});
  CHECK(all_nan(taken.gates));
  auto const raw = route({.normalised = false}, logits, {}, 3).gates;
  CHECK((raw[0] == 0.5 && raw[1] == 0.5 && std::isnan(raw[2])));
  // A bias that is NaN keeps its expert back, and is in no gate.
  CHECK(route({}, {half, half}, {nan, 0}, 1).ids == ids{1});
  check_gates(route({}, {half, half}, {nan, 0}, 2).gates, {0.5, 0.5});
}

TEST_CASE("sigmoid_top_k: a group whose two best have a NaN among them is below the rest",
          "[routing]") {
  std::vector<double> const pairs{nan, 9, -9, -9, half, half};
  CHECK(route({3, 2}, pairs, {}, 4).ids == ids{4, 5, 2, 3});
  CHECK(route({3, 3}, pairs, {}, 6).ids == ids{1, 4, 5, 2, 3, 0});
  std::vector<double> const triples{nan, 9, 9, half, half, half};  // here it is the third
  CHECK(route({2, 1}, triples, {}, 2).ids == ids{1, 2});
  CHECK(route({2, 1}, {nan, nan, nan, nan}, {}, 2).ids == ids{0, 1});
}

TEST_CASE("sigmoid_top_k: scores that vanish give gates of 0, not NaN", "[routing]") {
  check_gates(route({}, {-2000, -2000}, {}, 2).gates, {0, 0});
  check_gates(route({}, {-infinity, -infinity}, {}, 1).gates, {0});
  check_gates(route({}, {2000, infinity, -infinity}, {}, 3).gates, {0.5, 0.5, 0});
}

// ---- backward -------------------------------------------------------------------------------

struct slope_case {
  sigmoid_top_k policy;
  std::int64_t tokens, experts, choices;
  padded<double> logits, grad_gates;
  padded<std::int64_t> chosen;

  explicit slope_case(seeded& random)
      : policy(random_policy(random)),
        tokens(random.between(1, 3)),
        experts(policy.groups * random.between(1, 4)),
        choices(random.between(1, experts / policy.groups * policy.kept_groups)),
        logits(tokens, experts, random.between(0, 2)),
        grad_gates(tokens, choices, random.between(0, 2)),
        chosen(tokens, choices, random.between(0, 2)) {
    fill_apart(random, logits, 3);
    fill_apart(random, grad_gates, 1);
    padded<double> gates(tokens, choices);
    policy.forward(logits.ref(), {}, chosen.ref(), gates.ref());
  }

  // Of the sum over k of grad_gates x the formula's gates, by the logit of e.
  [[nodiscard]] double slope(std::int64_t t, std::int64_t e) const {
    double const h = 1e-5;
    double loss[2];
    for (int side = 0; side < 2; ++side) {
      std::vector<double> moved = logits.row(t);
      moved[at(e)] += side == 0 ? -h : h;
      auto const gates = gates_by_formula(policy, moved, chosen.row(t));
      loss[side] = std::inner_product(gates.begin(), gates.end(), grad_gates[t], 0.0);
    }
    return (loss[1] - loss[0]) / (2 * h);
  }
};

TEST_CASE("sigmoid_top_k: backward is the slope of the gates, of any choice of experts",
          "[routing]") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    slope_case c(random);
    if (random.chance(30))  // somebody else's choice, in any order, and more than once
      for (std::int64_t t = 0; t < c.tokens; ++t)
        for (std::int64_t k = 0; k < c.choices; ++k) c.chosen[t][k] = random.below(c.experts);
    padded<double> grad(c.tokens, c.experts, 2);
    c.policy.backward(c.logits.ref(), c.chosen.ref(), c.grad_gates.ref(), grad.ref());
    REQUIRE(grad.padding_is_untouched());
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      auto const of = c.chosen.row(t);
      for (std::int64_t e = 0; e < c.experts; ++e) {
        CAPTURE(t, e, grad[t][e], c.slope(t, e));
        REQUIRE(std::fabs(grad[t][e] - c.slope(t, e)) <= 1e-8);
        if (std::find(of.begin(), of.end(), e) == of.end()) REQUIRE(grad[t][e] == 0);
      }
    }
  }
}

TEMPLATE_LIST_TEST_CASE("sigmoid_top_k: backward gives the same in all types", "[routing]", types) {
  using logit = std::tuple_element_t<0, TestType>;
  using id = std::tuple_element_t<1, TestType>;
  using gate = std::tuple_element_t<2, TestType>;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    slope_case const c(random);
    padded<logit> logits(c.tokens, c.experts);
    padded<id> chosen(c.tokens, c.choices);
    padded<gate> grad_gates(c.tokens, c.choices);
    padded<logit> grad(c.tokens, c.experts);
    padded<double> expected(c.tokens, c.experts);
    for (std::int64_t t = 0; t < c.tokens; ++t) {
      std::transform(c.logits[t], c.logits[t] + c.experts, logits[t],
                     [](double x) { return static_cast<logit>(x); });
      std::transform(c.chosen[t], c.chosen[t] + c.choices, chosen[t],
                     [](std::int64_t x) { return static_cast<id>(x); });
      std::transform(c.grad_gates[t], c.grad_gates[t] + c.choices, grad_gates[t],
                     [](double x) { return static_cast<gate>(x); });
    }
    c.policy.backward(c.logits.ref(), c.chosen.ref(), c.grad_gates.ref(), expected.ref());
    c.policy.backward(logits.ref(), chosen.ref(), grad_gates.ref(), grad.ref());
    for (std::int64_t t = 0; t < c.tokens; ++t)
      for (std::int64_t e = 0; e < c.experts; ++e)
        REQUIRE(std::fabs(double{grad[t][e]} - expected[t][e]) <= 3e-6);
  }
}

TEST_CASE("sigmoid_top_k: backward is exact where the sigmoid is flat, and finite where it is 0",
          "[routing]") {
  padded<std::int32_t> const chosen(std::vector{0, 1});
  padded<double> const d(std::vector{1.0, 1.0});
  padded<double> grad(1, 2);
  sigmoid_top_k const raw{.normalised = false};
  raw.backward(padded<double>(std::vector{40.0, -40.0}).ref(), chosen.ref(), d.ref(), grad.ref());
  double const flat = std::exp(-40.0);
  CHECK(std::fabs(grad[0][0] / flat - 1) <= 1e-12);
  CHECK(std::fabs(grad[0][1] / flat - 1) <= 1e-12);
  sigmoid_top_k{}.backward(padded<double>(std::vector{-2000.0, -2000.0}).ref(), chosen.ref(),
                           d.ref(), grad.ref());
  CHECK(grad.row(0) == std::vector{0.0, 0.0});
}

TEST_CASE("sigmoid_top_k: backward passes a NaN on to what was selected with it", "[routing]") {
  padded<std::int32_t> const chosen(std::vector{0, 2});
  padded<double> const d(std::vector{1.0, 2.0});
  padded<double> grad(1, 3);
  sigmoid_top_k{}.backward(padded<double>(std::vector{0.0, 0.0, nan}).ref(), chosen.ref(), d.ref(),
                           grad.ref());
  CHECK((std::isnan(grad[0][0]) && grad[0][1] == 0 && std::isnan(grad[0][2])));
  sigmoid_top_k{}.backward(padded<double>(std::vector{0.0, nan, 0.0}).ref(), chosen.ref(), d.ref(),
                           grad.ref());
  CHECK((is_close<double>(grad[0][0], -0.125) && grad[0][1] == 0));
  CHECK(is_close<double>(grad[0][2], 0.125));
}

// ---- types ----------------------------------------------------------------------------------

template <class Logit, class Id, class Gate>
concept forwards = requires(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> gates) {
  sigmoid_top_k{}.forward(logits, {}, ids, gates);
};

TEST_CASE("sigmoid_top_k: it takes float and double, int32 and int64, and writes to nothing const",
          "[routing]") {
  STATIC_REQUIRE(std::regular<sigmoid_top_k>);
  STATIC_REQUIRE(forwards<float, std::int32_t, float>);
  STATIC_REQUIRE(forwards<double const, std::int64_t, float>);
  STATIC_REQUIRE_FALSE(forwards<int, std::int32_t, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::uint32_t, float>);
  STATIC_REQUIRE_FALSE(forwards<float, float, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::int32_t const, float>);
  STATIC_REQUIRE_FALSE(forwards<float, std::int32_t, float const>);
}

// ---- refusals -------------------------------------------------------------------------------

TEST_CASE("sigmoid_top_k: no tokens need no data", "[routing]") {
  sigmoid_top_k const policy;
  matrix_ref<float const> const logits(nullptr, 0, 4);
  matrix_ref<std::int32_t> const chosen(nullptr, 0, 2);
  matrix_ref<float> const gates(nullptr, 0, 2);
  CHECK_NOTHROW(policy.forward(logits, {}, chosen, gates));
  CHECK_NOTHROW(policy.backward(logits, chosen, gates, matrix_ref<float>(nullptr, 0, 4)));
}

TEST_CASE("sigmoid_top_k: shapes that don't fit are refused, and nothing is written", "[routing]") {
  sigmoid_top_k const policy;
  testing::check_shapes_refused(
      [=](auto logits, auto chosen, auto gates) { policy.forward(logits, {}, chosen, gates); },
      [=](auto... m) { policy.backward(m...); });
}

TEST_CASE("sigmoid_top_k: fields that don't fit E and K are refused, and nothing is written",
          "[routing]") {
  auto const refused = [](std::string_view words, sigmoid_top_k const& policy, std::int64_t k) {
    padded<double> const logits(std::vector<double>(12, 0.0));
    padded<std::int64_t> chosen(1, k);
    padded<double> gates(1, k);
    check_refused(words, [&] { policy.forward(logits.ref(), {}, chosen.ref(), gates.ref()); });
    CHECK((chosen.is_untouched() && gates.is_untouched()));
    padded<double> grad(1, 12);
    padded<std::int64_t> const first(std::vector<std::int64_t>(at(k), 0));
    check_refused(words,
                  [&] { policy.backward(logits.ref(), first.ref(), gates.ref(), grad.ref()); });
    CHECK(grad.is_untouched());
  };
  for (std::int32_t const bad : {0, -1, 5, 24}) refused("groups must divide E", {bad, 1}, 1);
  for (std::int32_t const bad : {0, -1, 5}) refused("kept_groups", {4, bad}, 1);
  refused("in the kept groups", {4, 2}, 7);
  refused("in the kept groups", {12, 1}, 2);
  for (double const bad : {nan, infinity, -infinity})
    refused("scale must be finite", {.scale = bad}, 1);
}

TEST_CASE("sigmoid_top_k: a bias of another length than E is refused", "[routing]") {
  for (std::size_t const bad : {std::size_t{1}, std::size_t{3}, std::size_t{5}})
    check_refused("bias", [&] { route({}, {1, 2, 3, 4}, std::vector<double>(bad, 0.0), 2); });
}

}  // namespace
