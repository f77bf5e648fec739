// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

#include "support/random_layer.hpp"
#include "support/sanitizers.hpp"
#include "support/trainings.hpp"

namespace llep::testing {

/// Everything that a training step makes: the output, and the gradients of sum(out x grad_out).
template <class T>
struct gradients {
  std::vector<T> out;      // as x
  std::vector<T> hidden;   // as x
  std::vector<T> gates;    // as gates
  std::vector<T> weights;  // as weights; added to

  gradients() = default;
  explicit gradients(random_layer<T> const& layer)
      : out(layer.x.size(), std::nan("")),
        hidden(layer.x.size(), std::nan("")),
        gates(layer.gates.size(), std::nan("")),
        weights(layer.weights.size(), T{0}) {}

  friend bool operator==(gradients const&, gradients const&) = default;
};

template <class T>
std::vector<T> random_grad_out(random_layer<T> const& layer, std::uint64_t seed) {
  std::mt19937_64 random(seed + 12345);
  std::normal_distribution<double> normal;
  std::vector<T> list(layer.x.size());
  for (T& value : list) value = static_cast<T>(normal(random));
  return list;
}

// ---- the oracle: without ranks, written out from the formula --------------------------------

/// One (token, choice) pair; g and the sums are of long double.
template <class T>
struct dense_row {
  using real = long double;

  random_layer<T> const& layer;
  std::int64_t token;
  std::array<T const*, 3> w;             // gate [H][F], up [H][F], down [F][H]
  std::vector<real> gate, up, s, inner;  // [F]; s is the sigmoid

  dense_row(random_layer<T> const& of, std::int64_t t, expert_id e)
      : layer(of), token(t), w(of.blocks(e)) {
    for (std::int64_t j = 0; j < layer.inner; ++j) {
      real a = 0;
      real b = 0;
      for (std::int64_t h = 0; h < layer.hidden; ++h) {
        a += x(h) * w[0][h * layer.inner + j];
        b += x(h) * w[1][h * layer.inner + j];
      }
      gate.push_back(a);
      up.push_back(b);
      s.push_back(1 / (1 + std::exp(-a)));
      inner.push_back(a * s.back() * b);
    }
  }
  [[nodiscard]] real x(std::int64_t h) const {
    return static_cast<real>(layer.x[at(token * layer.hidden + h)]);
  }
  [[nodiscard]] real y(std::int64_t h) const {
    real sum = 0;
    for (std::int64_t j = 0; j < layer.inner; ++j) sum += inner[at(j)] * w[2][j * layer.hidden + h];
    return sum;
  }
  // Adds to the gradients of the row and of the expert's weights; gy is the gradient by y.
  void go_back(std::vector<real> const& gy, long double* gx, long double* gw) const {
    auto const each = layer.hidden * layer.inner;
    for (std::int64_t j = 0; j < layer.inner; ++j) {
      real by_inner = 0;
      for (std::int64_t h = 0; h < layer.hidden; ++h) {
        by_inner += w[2][j * layer.hidden + h] * gy[at(h)];
        gw[2 * each + j * layer.hidden + h] += inner[at(j)] * gy[at(h)];
      }
      real const sig = s[at(j)];
      real const by_gate = by_inner * up[at(j)] * (sig + gate[at(j)] * sig * (1 - sig));
      real const by_up = by_inner * gate[at(j)] * sig;
      for (std::int64_t h = 0; h < layer.hidden; ++h) {
        auto const i = h * layer.inner + j;
        gw[i] += x(h) * by_gate;
        gw[each + i] += x(h) * by_up;
        gx[h] += w[0][i] * by_gate + w[1][i] * by_up;
      }
    }
  }
};

template <class T>
gradients<long double> dense_gradients(random_layer<T> const& layer,
                                       std::vector<T> const& grad_out) {
  using real = long double;
  gradients<real> sum;
  sum.out.assign(layer.x.size(), 0);
  sum.hidden.assign(layer.x.size(), 0);
  sum.gates.assign(layer.gates.size(), 0);
  sum.weights.assign(layer.weights.size(), 0);
  for (std::int64_t i = 0; i < std::ssize(layer.ids); ++i) {
    std::int64_t const first = i / layer.choices * layer.hidden;
    auto const e = layer.ids[at(i)];
    dense_row<T> const row(layer, i / layer.choices, e);
    auto const weight = static_cast<real>(layer.gates[at(i)]);
    std::vector<real> gy;
    for (std::int64_t h = 0; h < layer.hidden; ++h) {
      auto const g = static_cast<real>(grad_out[at(first + h)]);
      sum.out[at(first + h)] += weight * row.y(h);
      sum.gates[at(i)] += g * row.y(h);
      gy.push_back(weight * g);
    }
    row.go_back(gy, sum.hidden.data() + first,
                sum.weights.data() + e * 3 * layer.hidden * layer.inner);
  }
  return sum;
}

/// Largest difference over largest expected magnitude; huge where a number is none.
template <class T>
double distance(std::vector<T> const& got, std::vector<long double> const& expected) {
  long double difference = got.size() == expected.size() ? 0 : 1e300L;
  long double largest = 0;
  for (std::size_t i = 0; i < expected.size() && i < got.size(); ++i) {
    auto const gap = std::abs(static_cast<long double>(got[i]) - expected[i]);
    difference = std::isnan(gap) ? 1e300L : std::max(difference, gap);
    largest = std::max(largest, std::abs(expected[i]));
  }
  return static_cast<double>(largest > 0 ? difference / largest : difference);
}

template <class T>
double distance(gradients<T> const& got, gradients<long double> const& expected) {
  return std::max({distance(got.out, expected.out), distance(got.hidden, expected.hidden),
                   distance(got.gates, expected.gates), distance(got.weights, expected.weights)});
}

template <class T>
inline constexpr double rounding = std::is_same_v<T, float> ? 3e-5 : 1e-13;

// ---- one rank's part ------------------------------------------------------------------------

/// Where the gradients of a rank's own experts go; null for all others.
template <class T>
std::vector<std::array<T*, 3>> native_grads(random_layer<T> const& layer, rank_id r,
                                            std::vector<T>& weights) {
  std::vector<std::array<T*, 3>> list(at(layer.experts));
  auto const each = layer.hidden * layer.inner;
  for (expert_id e = 0; e < layer.experts; ++e)
    for (std::size_t b = 0; b < 3 && layer.owner[at(e)] == r; ++b)
      list[at(e)][b] = weights.data() + (e * 3 + static_cast<std::int64_t>(b)) * each;
  return list;
}

template <class Kernel, class T>
Kernel training_kernel(random_layer<T> const& layer, rank_id r, std::vector<T>& weight_grads) {
  return Kernel({layer.hidden, layer.inner}, layer.native(r), native_grads(layer, r, weight_grads));
}

/// Some of a rank's tokens: those of a micro-batch.
struct token_range {
  std::int64_t first = 0;  // among all ranks' tokens
  std::int64_t count = 0;
};

template <class T>
token_range all_tokens(random_layer<T> const& layer, rank_id r) {
  return {layer.first_token(r), layer.tokens[at(r)]};
}

/// The rows of `some` tokens in a list that has `cols` numbers a token.
template <class T>
matrix_ref<T> rows_of(std::vector<std::remove_const_t<T>>& list, token_range some,
                      std::int64_t cols) {
  return {list.data() + some.first * cols, some.count, cols};
}
template <class T>
matrix_ref<T const> rows_of(std::vector<T> const& list, token_range some, std::int64_t cols) {
  return {list.data() + some.first * cols, some.count, cols};
}

template <class T, class Dispatcher, class Queue, class Kernel>
auto train(random_layer<T> const& layer, token_range some, Dispatcher& moe, Queue& q,
           Kernel& kernel, gradients<T>& result, training const& how) {
  return moe.forward(
      q, kernel, rows_of(layer.x, some, layer.hidden), rows_of(layer.ids, some, layer.choices),
      rows_of(layer.gates, some, layer.choices), rows_of<T>(result.out, some, layer.hidden), how);
}

template <class T, class Dispatcher, class Queue, class Kernel, class Record>
void go_back(random_layer<T> const& layer, token_range some, Dispatcher& moe, Queue& q,
             Kernel& kernel, Record& record, std::vector<T> const& grad_out, gradients<T>& result) {
  moe.backward(q, kernel, record, rows_of(grad_out, some, layer.hidden),
               rows_of<T>(result.hidden, some, layer.hidden),
               rows_of<T>(result.gates, some, layer.choices));
}

/// Forward and backward on emulated host ranks, once for each of `ways`; all records are alive
/// before the last one goes back first.
template <emulated::placement Placement, class Order, class T, planner Policy>
std::vector<gradients<T>> train_layer(random_layer<T> const& layer, std::vector<T> const& grad_out,
                                      Policy const& policy, std::vector<training> const& ways,
                                      emulated::options const& how = {}) {
  using kernel_type = swiglu_loops<T>;
  std::vector<gradients<T>> results(ways.size(), gradients<T>(layer));
  emulated::run<Placement>(
      layer.ranks,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const mine = all_tokens(layer, group.rank());
        host_device::queue q;
        dispatcher<Policy, group_type, kernel_type, Order, checks_thorough> moe(
            q, group, layer.owner, policy);
        std::vector<kernel_type> kernels;
        std::vector<training_record<host_device, T>> records;
        for (std::size_t i = 0; i < ways.size(); ++i) {
          kernels.push_back(training_kernel<kernel_type>(layer, group.rank(), results[i].weights));
          records.push_back(train(layer, mine, moe, q, kernels[i], results[i], ways[i]));
        }
        for (std::size_t i = ways.size(); i-- > 0;)
          go_back(layer, mine, moe, q, kernels[i], records[i], grad_out, results[i]);
      },
      how);
  return results;
}

/// Spreads every expert over all ranks, in small pieces, twice around: a rank has several spans of
/// an expert that are no neighbours. Nothing is computed where it would be by other planners.
struct spread_everywhere {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {};

  void plan(problem const& in, memory& /*none*/, llep::plan& out) const {
    out.start(in);
    for (expert_id e = 0; e < in.experts(); ++e) {
      row_count open = in.load[at(e)];
      row_count const piece = open / (2 * in.ranks) + 1;
      for (rank_id r = e; open > 0; ++r) {
        row_count const rows = std::min(piece, open);
        out.give(in, e, r % in.ranks, rows);
        open -= rows;
      }
    }
  }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("spread").value(); }
  [[nodiscard]] std::uint64_t digest(memory const& /*none*/) const { return 0; }
  friend constexpr bool operator==(spread_everywhere const&, spread_everywhere const&) = default;
};
static_assert(planner<spread_everywhere>);

}  // namespace llep::testing
