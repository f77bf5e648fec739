// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <type_traits>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

/// A small plain-SwiGLU layer with everything that is awkward in real ones: odd sizes, ranks
/// without tokens, experts that nobody chooses or everybody does, tokens that name an expert twice.
template <class T>
struct random_layer {
  std::int32_t ranks = 1;
  std::int32_t experts = 1;
  std::int64_t choices = 1;
  std::int64_t hidden = 5;
  std::int64_t inner = 3;
  std::vector<std::int64_t> tokens;  // by rank
  std::vector<rank_id> owner;
  std::vector<T> weights;  // [E][3][H x F]
  std::vector<T> x;        // all ranks' tokens, one after the other
  std::vector<T> gates;
  std::vector<std::int32_t> ids;

  [[nodiscard]] std::int64_t first_token(rank_id r) const {
    return std::accumulate(tokens.begin(), tokens.begin() + r, std::int64_t{0});
  }
  [[nodiscard]] std::int64_t all_tokens() const { return first_token(ranks); }
  [[nodiscard]] std::array<T const*, 3> blocks(expert_id e) const {
    T const* const first = weights.data() + e * 3 * hidden * inner;
    return {first, first + hidden * inner, first + 2 * hidden * inner};
  }

  /// Blocks of a rank's own experts only: touching any other is a null pointer.
  [[nodiscard]] std::vector<std::array<T const*, 3>> native(rank_id r) const {
    std::vector<std::array<T const*, 3>> list(at(experts));
    for (expert_id e = 0; e < experts; ++e)
      if (owner[at(e)] == r) list[at(e)] = blocks(e);
    return list;
  }

  /// What the layer computes, without ranks: the oracle.
  [[nodiscard]] std::vector<T> dense() const {
    swiglu_expert<T> const family{hidden, inner};
    std::vector<T> out(x.size(), T{0});
    std::vector<T> y(at(hidden));
    std::vector<T> work(at(family.work_elements()));
    for (std::int64_t i = 0; i < std::ssize(ids); ++i) {
      std::int64_t const t = i / choices;
      family.apply(x.data() + t * hidden, blocks(ids[at(i)]), y.data(), work.data());
      for (std::int64_t h = 0; h < hidden; ++h) out[at(t * hidden + h)] += gates[at(i)] * y[at(h)];
    }
    return out;
  }
};

/// Fills what hangs on the sizes. Most rows go to few experts.
template <class T>
void fill(random_layer<T>& layer, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  auto const numbers = [&](std::vector<T>& list, std::int64_t n) {
    list.resize(at(n));
    for (T& value : list) value = static_cast<T>(normal(random));
  };
  auto const n = layer.all_tokens();
  numbers(layer.weights, layer.experts * 3 * layer.hidden * layer.inner);
  numbers(layer.x, n * layer.hidden);
  numbers(layer.gates, n * layer.choices);
  std::uniform_int_distribution<std::int32_t> any(0, layer.experts - 1);
  layer.ids.resize(at(n * layer.choices));
  for (auto& id : layer.ids) id = random() % 3 == 0 ? any(random) : any(random) / 4;
}

template <class T>
random_layer<T> make_layer(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto const below = [&](std::uint64_t n) { return static_cast<std::int32_t>(random() % n); };
  random_layer<T> layer;
  layer.ranks = 1 + below(8);
  layer.experts = 1 + below(20);
  layer.choices = 1 + below(4);
  layer.hidden = 1 + below(7);
  layer.inner = 1 + below(5);
  for (rank_id r = 0; r < layer.ranks; ++r) layer.tokens.push_back(below(3) == 0 ? 0 : below(24));
  layer.owner = contiguous_owners(layer.experts, layer.ranks);
  if (below(2) == 0)  // any owners: not contiguous, uneven, ranks without experts
    for (rank_id& r : layer.owner) r = below(static_cast<std::uint64_t>(layer.ranks));
  fill(layer, random);
  return layer;
}

/// One rank's part in a step.
template <class T, class Dispatcher, class Queue, class Kernel>
void step(random_layer<T> const& layer, rank_id r, Dispatcher& moe, Queue& q, Kernel& kernel,
          std::vector<T>& out) {
  auto const first = layer.first_token(r);
  auto const n = layer.tokens[at(r)];
  moe.forward(
      q, kernel, matrix_ref<T const>(layer.x.data() + first * layer.hidden, n, layer.hidden),
      matrix_ref<std::int32_t const>(layer.ids.data() + first * layer.choices, n, layer.choices),
      matrix_ref<T const>(layer.gates.data() + first * layer.choices, n, layer.choices),
      matrix_ref<T>(out.data() + first * layer.hidden, n, layer.hidden));
}

template <class T>
using swiglu_loops = loops_kernel<swiglu_expert<T>>;

/// Runs the layer on emulated host ranks and returns all outputs, which were poisoned before.
template <emulated::placement Placement, class Order, class T, planner Policy>
std::vector<T> run_layer(random_layer<T> const& layer, Policy const& policy,
                         emulated::options const& how = {}) {
  std::vector<T> out(layer.x.size(), T{-77});
  emulated::run<Placement>(
      layer.ranks,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        host_device::queue q;
        swiglu_loops<T> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
        dispatcher<Policy, group_type, swiglu_loops<T>, Order, checks_thorough> moe(
            q, group, layer.owner, policy);
        step(layer, group.rank(), moe, q, kernel, out);
      },
      how);
  return out;
}

/// The texts of what the ranks threw; "" for a rank that threw nothing.
inline std::vector<std::string> texts(emulated::outcome const& ends) {
  std::vector<std::string> list;
  for (auto const& end : ends.by_rank) {
    try {
      if (end) std::rethrow_exception(end);
      list.emplace_back();
    } catch (std::exception const& e) {
      list.emplace_back(e.what());
    }
  }
  return list;
}

/// A layer of 16 experts on 8 ranks, so many tokens on each, always the same one.
inline random_layer<double> eight_ranks(std::int64_t tokens) {
  random_layer<double> layer;
  layer.ranks = 8;
  layer.experts = 16;
  layer.choices = 2;
  layer.tokens.assign(8, tokens);
  layer.owner = contiguous_owners(16, 8);
  std::mt19937_64 random(4);
  fill(layer, random);
  return layer;
}

}  // namespace llep::testing
