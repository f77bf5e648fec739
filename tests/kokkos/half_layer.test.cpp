// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/random_gradients.hpp"

// Steps whose rows and weights have 16 bits, over emulated ranks.

namespace {

using namespace llep;
using namespace llep::testing;

template <class Row>
struct layer16 {
  random_layer<float> numbers;  // what the 16-bit ones mean
  std::vector<Row> weights, x, grad_out;

  explicit layer16(std::uint64_t seed) : numbers(make_layer<float>(seed)) {
    auto const rounded = [](std::vector<float>& list) {
      std::vector<Row> out;
      for (float& value : list) value = static_cast<float>(out.emplace_back(value));
      return out;
    };
    weights = rounded(numbers.weights);
    x = rounded(numbers.x);
    auto grad = random_grad_out(numbers, seed);
    grad_out = rounded(grad);
  }
};

template <class Row>
struct gradients16 {
  std::vector<Row> out, hidden;
  std::vector<float> gates, weights;
};

template <class Row>
bool same_rows(std::vector<Row> const& a, std::vector<Row> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Row)) == 0;
}

/// A step on so many ranks, that share the tokens anyhow.
template <class Row, emulated::placement Placement>
gradients16<Row> train16(layer16<Row> const& l, std::int32_t ranks, least_loaded const& policy,
                         training const& how) {
  using kernel_type = kokkos::kernel<swiglu_expert<float>, Kokkos::DefaultExecutionSpace, Row>;
  auto layer = l.numbers;
  auto const all = layer.all_tokens();
  layer.ranks = ranks;
  layer.owner = contiguous_owners(layer.experts, ranks);
  layer.tokens.assign(at(ranks), all / ranks);
  layer.tokens.back() += all % ranks;
  gradients16<Row> result{std::vector<Row>(l.x.size()), std::vector<Row>(l.x.size()),
                          std::vector<float>(layer.gates.size()),
                          std::vector<float>(l.weights.size())};
  emulated::run<Placement>(ranks, make_kokkos_device, [&](auto& group) {
    auto const r = group.rank();
    auto q = group.device().make_queue();
    std::vector<std::array<Row const*, 3>> native(at(layer.experts));
    auto const each = layer.hidden * layer.inner;
    for (expert_id e = 0; e < layer.experts; ++e)
      for (std::size_t b = 0; b < 3 && layer.owner[at(e)] == r; ++b)
        native[at(e)][b] = l.weights.data() + (e * 3 + static_cast<std::int64_t>(b)) * each;
    kernel_type kernel({layer.hidden, layer.inner}, native, native_grads(layer, r, result.weights));
    auto moe = make_dispatcher<kernel_type>(q, group, layer.owner, policy);
    auto const mine = all_tokens(layer, r);
    auto record = moe.forward(q, kernel, rows_of(l.x, mine, layer.hidden),
                              rows_of(layer.ids, mine, layer.choices),
                              rows_of(layer.gates, mine, layer.choices),
                              rows_of<Row>(result.out, mine, layer.hidden), how);
    moe.backward(q, kernel, record, rows_of(l.grad_out, mine, layer.hidden),
                 rows_of<Row>(result.hidden, mine, layer.hidden),
                 rows_of<float>(result.gates, mine, layer.choices));
  });
  return result;
}

/// Rows are rounded once by the expert and once by the sum of a token, and so are their gradients,
/// of upstream rows that were rounded when they were scaled; the rest is float.
template <class Row>
constexpr double tolerance = (std::is_same_v<Row, kokkos::half> ? 0x1p-11 : 0x1p-8) * 8;

TEMPLATE_TEST_CASE("16-bit layers: outputs and gradients are the dense layer's, within rounding",
                   "[kokkos]", kokkos::bfloat16, kokkos::half) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    layer16<TestType> const l(seed);
    std::vector<float> grad_out;
    for (auto const g : l.grad_out) grad_out.push_back(static_cast<float>(g));
    auto const exact = dense_gradients(l.numbers, grad_out);
    auto const got = train16<TestType, emulated::placement::segments>(
        l, 4, {.alpha = 1.0, .min_chunk_rows = 1}, {});
    auto const close = [](auto const& values, std::vector<long double> const& expected) {
      std::vector<float> wide;
      for (auto const value : values) wide.push_back(static_cast<float>(value));
      CHECK(distance(wide, expected) <= tolerance<TestType>);
    };
    close(got.out, exact.out);
    close(got.hidden, exact.hidden);
    close(got.gates, exact.gates);
    close(got.weights, exact.weights);
  }
}

TEMPLATE_TEST_CASE("16-bit layers: neither P nor the plan changes a bit", "[kokkos]",
                   kokkos::bfloat16, kokkos::half) {
  using emulated::placement;
  for (std::uint64_t seed = 20; seed < 26; ++seed) {
    layer16<TestType> const l(seed);
    auto const reference = train16<TestType, placement::segments>(l, 1, {}, {});
    for (std::int32_t const ranks : {1, 2, 4, 8}) {
      CAPTURE(seed, ranks);
      training const how{.recompute = seed % 2 == 0,
                         .lend_again = ranks % 4 == 0,
                         .resend_outputs = seed % 3 == 0};
      auto const check = [&](gradients16<TestType> const& got) {
        CHECK(same_rows(got.out, reference.out));
        CHECK(same_rows(got.hidden, reference.hidden));
        CHECK(same_rows(got.gates, reference.gates));
      };
      least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};
      check(train16<TestType, placement::segments>(l, ranks, moves_most, how));
      check(train16<TestType, placement::packed>(l, ranks, moves_most, how));
    }
  }
}

}  // namespace
