// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/gates.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// Matrix products of experts by tiles, for all groups in one launch. Every sum is one thread's and
// ascends along the depth, from the bias on: a row's result hangs on that row and on weights alone.

/// A block's tile: 256 threads, 4 x 4 sums each.
struct tile {
  static constexpr int rows = 64;
  static constexpr int cols = 64;  // columns of weights
  static constexpr int depth = 16;
  static constexpr int each = 4;
  static constexpr int across = cols / each;
  static constexpr int threads = (rows / each) * across;
};

[[nodiscard]] __host__ __device__ inline std::int64_t tiles_of(std::int64_t n, int size) {
  return (n + size - 1) / size;
}

/// A thread's sums: of rows down to down + 3 of the tile, and of columns right, right + 16, ...
template <class Sum>
struct tile_sums {
  Sum at[tile::each][tile::each];

  [[nodiscard]] __device__ static int down() {
    return static_cast<int>(threadIdx.x) / tile::across * tile::each;
  }
  [[nodiscard]] __device__ static int right() {
    return static_cast<int>(threadIdx.x) % tile::across;
  }

  /// += left x right. Left: `rows` lines of numbers, `stride` apart. Right: the column that this
  /// thread loads, thread % 64, or null beyond the last one; its numbers are `step` apart.
  template <class Left, class Right>
  __device__ void add(Left const* left, std::int64_t stride, std::int64_t rows, Right const* column,
                      std::int64_t step, std::int64_t depth) {
    constexpr int gap = 2;  // so that writing a line's numbers meets different banks
    __shared__ Sum lines[tile::depth][tile::rows + gap];
    __shared__ Sum columns[tile::depth][tile::cols];
    int const thread = static_cast<int>(threadIdx.x);
    int const along = thread % tile::depth;
    int const line = thread / tile::depth;
    int const col = thread % tile::cols;
    for (std::int64_t first = 0; first < depth; first += tile::depth) {
      for (int r = line; r < tile::rows; r += tile::threads / tile::depth)
        lines[along][r] =
            r < rows && first + along < depth ? loaded(left[r * stride + first + along]) : Sum{0};
      for (int k = thread / tile::cols; k < tile::depth; k += tile::threads / tile::cols)
        columns[k][col] =
            column != nullptr && first + k < depth ? loaded(column[(first + k) * step]) : Sum{0};
      __syncthreads();
      for (int k = 0; k < tile::depth; ++k) multiply(&lines[k][down()], &columns[k][right()]);
      __syncthreads();  // nobody loads over what others still read
    }
  }

 private:
  __device__ void multiply(Sum const* lines, Sum const* columns) {
    Sum right[tile::each];
    for (int c = 0; c < tile::each; ++c) right[c] = columns[c * tile::across];
    for (int r = 0; r < tile::each; ++r)
      for (int c = 0; c < tile::each; ++c) at[r][c] += lines[r] * right[c];
  }
};

/// y = x W + b, for one block of weights.
template <class Sum>
struct plain_product {
  static constexpr int width = tile::cols;  // columns of y that a tile makes

  block_range by;
  std::size_t bias;  // its block, or no_block

  [[nodiscard]] __host__ __device__ std::int64_t columns() const { return by.out; }
  /// Which column of the weights is column j of a tile that begins at column `first` of y; or -1.
  [[nodiscard]] __device__ std::int64_t weight_column(std::int64_t first, int j) const {
    return first + j < by.out ? first + j : -1;
  }
  /// f(c, number) for this thread's columns c of the tile.
  template <class F>
  __device__ void deliver(Sum const* sums, int right, F const& f) const {
    for (int c = 0; c < tile::each; ++c) f(right + c * tile::across, sums[c]);
  }
};

/// h = gate(x W + b): a tile has the gates of 32 columns of h, then their ups, and a thread both of
/// what it makes.
template <class Sum, class Gate>
struct gated_product {
  static constexpr int width = tile::cols / 2;

  block_range by;
  std::size_t bias;
  Gate gate;

  [[nodiscard]] __host__ __device__ std::int64_t columns() const { return by.count * by.out / 2; }
  [[nodiscard]] __device__ std::int64_t weight_column(std::int64_t first, int j) const {
    std::int64_t const i = first + j % width;
    if (i >= columns()) return -1;
    return j < width ? gate.gate_at(i) : gate.up_at(i);
  }
  template <class F>
  __device__ void deliver(Sum const* sums, int right, F const& f) const {
    constexpr int half = tile::each / 2;
    for (int c = 0; c < half; ++c) f(right + c * tile::across, gate(sums[c], sums[c + half]));
  }
};

/// Groups that a launch brings along: `tiles` tiles of rows in all.
template <std::size_t Blocks>
struct launched_groups {
  group_batch<Blocks> batch;
  std::int64_t row_tiles;

  [[nodiscard]] __device__ std::int64_t tiles() const { return row_tiles; }
  [[nodiscard]] __device__ std::int32_t group_of(std::int64_t t) const { return batch.group_of(t); }
  [[nodiscard]] __device__ std::int64_t before(std::int32_t g) const {
    return batch.items_before[g];
  }
  [[nodiscard]] __device__ placed_group<Blocks> const& at(std::int32_t g) const {
    return batch.groups[g];
  }
};

/// Groups in device memory, whose number and sizes the host doesn't know.
template <std::size_t Blocks>
struct planned_groups {
  placed_group<Blocks> const* groups;
  std::int64_t const* tiles_before;  // [count + 1]
  std::int32_t const* count;

  [[nodiscard]] __device__ std::int64_t tiles() const { return tiles_before[*count]; }
  [[nodiscard]] __device__ std::int32_t group_of(std::int64_t t) const {
    return entry_of(t, *count, [this](std::int32_t i) { return tiles_before[i]; });
  }
  [[nodiscard]] __device__ std::int64_t before(std::int32_t g) const { return tiles_before[g]; }
  [[nodiscard]] __device__ placed_group<Blocks> const& at(std::int32_t g) const {
    return groups[g];
  }
};

/// A product for all groups: each block takes one tile after the other, however many blocks there
/// are. Tiles of one group and of the same columns are neighbours, and share weights.
template <class Weight, class Sum, class Groups, class Product, class In, class Out>
__global__ __launch_bounds__(tile::threads) void multiply_groups(Groups groups, Product product,
                                                                 row_area<In const> x,
                                                                 row_area<Out> y) {
  std::int64_t const across = tiles_of(product.columns(), Product::width);
  std::int64_t const items = groups.tiles() * across;
  for (std::int64_t item = blockIdx.x; item < items; item += gridDim.x) {
    // where the tile is
    std::int32_t const g = groups.group_of(item / across);
    auto const& group = groups.at(g);
    std::int64_t const here = item - groups.before(g) * across;
    std::int64_t const down = tiles_of(group.rows, tile::rows);
    std::int64_t const row = here % down * tile::rows;
    std::int64_t const col = here / down * Product::width;
    std::int64_t const rows = group.rows - row;
    auto const weights = [&](std::int64_t z) {  // column z of all blocks side by side
      auto const block = product.by.first + static_cast<std::size_t>(z / product.by.out);
      return static_cast<Weight const*>(group.weights[block]) + z % product.by.out;
    };
    // the sums
    tile_sums<Sum> sums;
    for (int c = 0; c < tile::each; ++c) {
      std::int64_t const z = product.weight_column(col, sums.right() + c * tile::across);
      Sum start = 0;
      if (product.bias != no_block && z >= 0)
        start = loaded(static_cast<Weight const*>(group.weights[product.bias])[z]);
      for (int r = 0; r < tile::each; ++r) sums.at[r][c] = start;
    }
    std::int64_t const mine =
        product.weight_column(col, static_cast<int>(threadIdx.x) % tile::cols);
    sums.add(x.row(group, row), x.stride, rows, mine < 0 ? nullptr : weights(mine), product.by.out,
             product.by.in);
    // what becomes of them
    for (int r = 0; r < tile::each && sums.down() + r < rows; ++r) {
      Out* const to = y.row(group, row + sums.down() + r) + col;
      product.deliver(sums.at[r], sums.right(), [&](int c, Sum sum) {
        if (col + c < product.columns()) to[c] = stored<Out>(sum);
      });
    }
  }
}

}  // namespace llep::cuda::detail
