// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <Eigen/Core>

#include <llep/backends/eigen/kernel.hpp>
#include <llep/shape.hpp>

namespace llep::bench {

using kernel_type = eigen::kernel<swiglu_expert<float>>;

inline constexpr std::int32_t experts = 32;
inline constexpr std::int64_t choices = 4;
inline constexpr std::int64_t hidden = 512;
inline constexpr std::int64_t inner = 512;
inline constexpr std::int64_t tokens = 4096;  // on each rank

/// Of a rank's rows, when all ranks have as many.
inline constexpr double flop_per_rank = 6.0 * tokens * choices * hidden * inner;

/// A share of the rows go to the first `hot` experts, evenly; the rest to the others, evenly. With
/// hot = 1 and a share of 0.95 that is "95%->1" of load_shapes.hpp.
struct routing {
  double share = 0;  // 0: all experts alike
  std::int32_t hot = 1;

  [[nodiscard]] std::vector<std::int32_t> ids(std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> unit;
    auto const within = [&](std::int32_t first, std::int32_t end) {
      return first + static_cast<std::int32_t>(random() % static_cast<unsigned>(end - first));
    };
    std::vector<std::int32_t> list(tokens * choices);
    for (auto& id : list) {
      if (share == 0)
        id = within(0, experts);
      else
        id = unit(random) < share ? within(0, hot) : within(hot, experts);
    }
    return list;
  }
};

inline std::vector<float> numbers(std::int64_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> within(-0.05F, 0.05F);
  std::vector<float> list(static_cast<std::size_t>(count));
  for (float& n : list) n = within(random);
  return list;
}

/// A rank's part of the layer.
struct layer {
  std::vector<rank_id> owner;
  std::vector<float> weights, x, gates, out;
  kernel_type kernel;

  layer(rank_id rank, std::int32_t ranks)
      : owner(contiguous_owners(experts, ranks)),
        weights(numbers(experts * 3 * hidden * inner, 1)),
        x(numbers(tokens * hidden, 2 + static_cast<std::uint64_t>(rank))),
        gates(tokens * choices, 0.25F),
        out(x.size()),
        kernel({hidden, inner}, own_blocks(rank)) {}

  [[nodiscard]] std::vector<kernel_type::weight_blocks> own_blocks(rank_id rank) const {
    std::vector<kernel_type::weight_blocks> list(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e) {
      float const* const w = weights.data() + e * 3 * hidden * inner;
      if (owner[e] == rank) list[e] = {w, w + hidden * inner, w + 2 * hidden * inner};
    }
    return list;
  }
};

/// One product of Eigen's of as many rows as an expert has on average, in flop/s, the best of some.
template <class Seconds>
double product_rate(int times, Seconds seconds) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  constexpr std::int64_t rows = tokens * choices * 2 / experts;
  matrix const x = matrix::Constant(rows, hidden, 0.5F);
  matrix const w = matrix::Constant(hidden, inner, 0.01F);
  matrix y = matrix::Zero(rows, inner);
  double best = 0;
  for (int i = 0; i < times; ++i) {
    double const before = seconds();
    y.noalias() = x * w;
    double const taken = seconds() - before;
    if (y(0, 0) > 0 && 2.0 * rows * hidden * inner / taken > best)
      best = 2.0 * rows * hidden * inner / taken;
  }
  return best;
}

}  // namespace llep::bench
