// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <llep/backends/mpi/communicator.hpp>

#include "support/random_gradients.hpp"

namespace llep::testing {

inline std::int32_t world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

/// As make_layer, on as many ranks as there are processes.
template <class T>
random_layer<T> make_world_layer(std::uint64_t seed) {
  auto layer = make_layer<T>(seed);
  std::mt19937_64 random(seed);
  bool const blocks = random() % 2 == 0;
  layer.ranks = world_size();
  layer.tokens.clear();
  for (rank_id r = 0; r < layer.ranks; ++r)
    layer.tokens.push_back(random() % 3 == 0 ? 0 : static_cast<std::int64_t>(random() % 24));
  layer.owner = contiguous_owners(layer.experts, layer.ranks);
  for (rank_id& r : layer.owner)
    if (!blocks) r = static_cast<rank_id>(random() % static_cast<std::uint64_t>(layer.ranks));
  fill(layer, random);
  return layer;
}

/// Overwrites what rank r is to compute: what is as before afterwards, it has computed.
template <class T>
void forget(random_layer<T> const& layer, rank_id r, gradients<T>& results) {
  auto const mine = all_tokens(layer, r);
  auto const poison = [&](std::vector<T>& list, std::int64_t cols) {
    for (std::int64_t i = 0; i < mine.count * cols; ++i)
      list[at(mine.first * cols + i)] = static_cast<T>(std::nan(""));
  };
  poison(results.out, layer.hidden);
  poison(results.hidden, layer.hidden);
  poison(results.gates, layer.choices);
  auto const each = 3 * layer.hidden * layer.inner;
  for (expert_id e = 0; e < layer.experts; ++e)
    for (std::int64_t i = 0; i < each && layer.owner[at(e)] == r; ++i)
      results.weights[at(e * each + i)] = 0;
}

}  // namespace llep::testing
