// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <llep/kernel/feed_forward.hpp>
#include <llep/testing/experts.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing::detail {

/// What a training step makes, of all ranks: the output, and the gradients of sum(out x grad_out).
template <class T>
struct layer_values {
  std::vector<T> out, hidden;           // [T of all ranks][H]
  std::vector<T> gates;                 // [T of all ranks][K]
  std::vector<std::vector<T>> weights;  // every expert's blocks
};

/// A small layer with everything that is awkward in real ones: odd sizes, ranks without tokens,
/// experts that nobody chooses or everybody does, tokens that name an expert twice, uneven owners.
/// Every rank draws all of it.
template <expert_family Family>
struct layer_case {
  using T = typename Family::element;

  Family family;
  std::int64_t choices;
  std::vector<block_values<Family>> weights;
  std::vector<rank_id> owner;
  std::vector<std::int64_t> tokens;  // by rank
  std::vector<T> x, grad_out;
  std::vector<float> gates;
  std::vector<std::int32_t> ids;

  layer_case(seeded& random, std::int32_t ranks, Family const& prototype, expert_sizes const& sizes)
      : family(sized(prototype, random, sizes)),
        choices(random.between(1, 4)),
        weights(random_weights(family, random, random.between(1, 20))),
        owner(random_owners(random, experts(), ranks)) {
    bool const nobody = random.chance(5);
    for (rank_id r = 0; r < ranks; ++r)
      tokens.push_back(nobody || random.chance(30) ? 0 : random.between(1, 24));
    auto const n = first_token(ranks);
    x = real_list<T>(random, n * family.hidden);
    grad_out = real_list<T>(random, n * family.hidden);
    gates = real_list<float>(random, n * choices);
    auto const few = 1 + random.below(experts());  // most rows go to these
    for (std::int64_t i = 0; i < n * choices; ++i)
      ids.push_back(random.int32(0, (random.chance(30) ? experts() : few) - 1));
    for (std::int64_t i = 0; i < n * choices; ++i) {
      auto const t = i / choices;
      if (!near_limit(family, weights[at(ids[at(i)])], x.data() + t * family.hidden)) continue;
      x[at(t * family.hidden + random.below(family.hidden))] =
          static_cast<T>(2 * random.real() - 1);
      i = t * choices - 1;  // the token once more
    }
  }

  [[nodiscard]] std::int32_t experts() const { return static_cast<std::int32_t>(weights.size()); }
  [[nodiscard]] std::int64_t first_token(rank_id r) const {
    return std::accumulate(tokens.begin(), tokens.begin() + r, std::int64_t{0});
  }
  /// A rank's part of a list that has so many numbers a token.
  template <class U>
  [[nodiscard]] std::vector<U> part(std::vector<U> const& list, rank_id r,
                                    std::int64_t each) const {
    auto const first = list.begin() + first_token(r) * each;
    return {first, first + tokens[at(r)] * each};
  }

  /// What the layer computes, without ranks; gradients of weights are added to `start`.
  [[nodiscard]] layer_values<T> dense(T start) const {
    layer_values<T> sum{
        std::vector<T>(x.size()), std::vector<T>(x.size()), std::vector<T>(gates.size()), {}};
    auto grads = weights;
    for (auto& blocks : grads)
      for (auto& block : blocks) std::fill(block.begin(), block.end(), T{0});
    for (std::int64_t i = 0; i < std::ssize(ids); ++i) add(i, sum, grads[at(ids[at(i)])]);
    for (auto const& blocks : grads)
      for (auto const& block : blocks) {
        sum.weights.push_back(block);
        for (T& value : sum.weights.back()) value += start;
      }
    return sum;
  }

 private:
  // One (token, choice) pair.
  void add(std::int64_t i, layer_values<T>& sum, block_values<Family>& grads) const {
    auto const first = at(i / choices * family.hidden);
    auto const gate = static_cast<T>(gates[at(i)]);
    auto const blocks = pointers_to<Family>(weights[at(ids[at(i)])]);
    std::vector<T> y(at(family.hidden));
    std::vector<T> work(at(family.work_elements()));
    family.apply(x.data() + first, blocks, y.data(), work.data());
    for (std::size_t h = 0; h < y.size(); ++h) sum.out[first + h] += gate * y[h];
    if constexpr (trainable_family<Family>) {
      std::vector<T> gy(y.size());
      for (std::size_t h = 0; h < y.size(); ++h) {
        gy[h] = gate * grad_out[first + h];
        sum.gates[at(i)] += grad_out[first + h] * y[h];
      }
      std::vector<T> saved(at(family.saved_elements()));
      std::vector<T> gx(y.size());
      std::vector<T> scratch(at(family.backward_elements()));
      gradient_pointers<Family> places{};
      for (std::size_t b = 0; b < Family::blocks; ++b) places[b] = grads[b].data();
      family.save(x.data() + first, blocks, saved.data());
      family.apply_backward(x.data() + first, blocks, saved.data(), gy.data(), gx.data(), places,
                            scratch.data());
      for (std::size_t h = 0; h < y.size(); ++h) sum.hidden[first + h] += gx[h];
    }
  }
};

}  // namespace llep::testing::detail
