// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/groups.hpp>
#include <llep/backends/kokkos/space.hpp>
#include <llep/backends/kokkos/tile.hpp>
#include <llep/shape.hpp>

namespace llep::kokkos::detail {

// The matrix products of experts, for all groups of a batch in one launch, a team a tile. Weights
// W [in][out] of an expert are one block, or several of equal shape side by side.

[[nodiscard]] KOKKOS_INLINE_FUNCTION std::int64_t tiles(std::int64_t n, int size) {
  return (n + size - 1) / size;
}

/// Some blocks of equal shape [in][out].
struct block_range {
  std::size_t first = 0;
  std::int64_t count = 1;
  std::int64_t in = 0;
  std::int64_t out = 0;
};

inline constexpr std::size_t no_block = ~std::size_t{0};

/// y = x W, plus a bias where there is one. Columns of y: those of the first block, then the next.
template <class Space, std::size_t Blocks, class Sum, class Weight, class In, class Out>
struct forward_product {
  using shape = tile_shape<Space>;

  group_batch<Blocks> batch;
  block_range blocks;
  std::size_t bias;  // its block, or no_block
  row_area<In const> x;
  row_area<Out> y;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t items(row_count rows) const {
    return tiles(rows, shape::rows) * blocks.count * tiles(blocks.out, shape::cols);
  }
  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    auto const item = first + team.league_rank();
    auto const& group = batch.of_item(item);
    auto const at = item - group.items_before;  // neighbouring tiles share weights
    auto const down = tiles(group.rows, shape::rows);
    auto const across = tiles(blocks.out, shape::cols);
    auto const row = at % down * shape::rows;
    auto const block = at / down / across;
    auto const col = at / down % across * shape::cols;
    auto const which = blocks.first + static_cast<std::size_t>(block);
    auto const* const w = static_cast<Weight const*>(group.weights[which]) + col;
    tile_product<Space, Sum> sums(team, group.rows - row, blocks.out - col);
    sums.add(by_lines<In>{x.row(group, row), x.stride}, by_depth<Weight>{w, blocks.out}, blocks.in);
    auto const* const added =
        bias == no_block ? nullptr : static_cast<Weight const*>(group.weights[bias]) + col;
    sums.deliver([&](int r, int c, Sum sum) {
      if (added != nullptr) sum += static_cast<Sum>(added[c]);
      y.row(group, row + r)[block * blocks.out + col + c] = static_cast<Out>(sum);
    });
  }
};

/// gx = gy W^T, over all blocks.
template <class Space, std::size_t Blocks, class Sum, class Weight, class In, class Out>
struct input_gradient {
  using shape = tile_shape<Space>;

  group_batch<Blocks> batch;
  block_range blocks;
  row_area<In const> gy;
  row_area<Out> gx;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t items(row_count rows) const {
    return tiles(rows, shape::rows) * tiles(blocks.in, shape::cols);
  }
  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    auto const item = first + team.league_rank();
    auto const& group = batch.of_item(item);
    auto const at = item - group.items_before;
    auto const down = tiles(group.rows, shape::rows);
    auto const row = at % down * shape::rows;
    auto const col = at / down * shape::cols;
    tile_product<Space, Sum> sums(team, group.rows - row, blocks.in - col);
    for (std::int64_t b = 0; b < blocks.count; ++b) {
      auto const which = blocks.first + static_cast<std::size_t>(b);
      auto const* const w = static_cast<Weight const*>(group.weights[which]);
      sums.add(by_lines<In>{gy.row(group, row) + b * blocks.out, gy.stride},
               by_lines<Weight>{w + col * blocks.out, blocks.out}, blocks.out);
    }
    sums.deliver(
        [&](int r, int c, Sum sum) { gx.row(group, row + r)[col + c] = static_cast<Out>(sum); });
  }
};

/// gW += x^T gy, rows ascending.
template <class Space, std::size_t Blocks, class Sum, class Left, class Right>
struct weight_gradient {
  using shape = tile_shape<Space>;

  group_batch<Blocks> batch;
  block_range blocks;
  row_area<Left const> x;
  row_area<Right const> gy;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t items(row_count /*rows*/) const {
    return tiles(blocks.in, shape::rows) * blocks.count * tiles(blocks.out, shape::cols);
  }
  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    auto const item = first + team.league_rank();
    auto const& group = batch.of_item(item);
    auto const at = item - group.items_before;
    auto const down = tiles(blocks.in, shape::rows);
    auto const across = tiles(blocks.out, shape::cols);
    auto const row = at % down * shape::rows;
    auto const block = at / down / across;
    auto const col = at / down % across * shape::cols;
    tile_product<Space, Sum> sums(team, blocks.in - row, blocks.out - col);
    sums.add(by_depth<Left>{x.row(group, 0) + row, x.stride},
             by_depth<Right>{gy.row(group, 0) + block * blocks.out + col, gy.stride}, group.rows);
    auto const which = blocks.first + static_cast<std::size_t>(block);
    auto* const gw = static_cast<Sum*>(group.grads[which]) + row * blocks.out + col;
    sums.deliver([&](int r, int c, Sum sum) { gw[r * blocks.out + c] += sum; });
  }
};

/// Of a bias: gb += gy, rows ascending; an item is a strip of columns.
template <class Space, std::size_t Blocks, class Sum, class In>
struct bias_gradient {
  group_batch<Blocks> batch;
  std::size_t bias;
  std::int64_t cols;
  row_area<In const> gy;

  [[nodiscard]] std::int64_t items(row_count /*rows*/) const {
    return (cols + strip_columns<Space> - 1) / strip_columns<Space>;
  }
  KOKKOS_FUNCTION void operator()(std::int64_t item) const {
    auto const& group = batch.of_item(item);
    auto const begin = (item - group.items_before) * strip_columns<Space>;
    auto const n = cols - begin < strip_columns<Space> ? cols - begin : strip_columns<Space>;
    auto* const gb = static_cast<Sum*>(group.grads[bias]) + begin;
    for (row_count r = 0; r < group.rows; ++r) {
      In const* const row = gy.row(group, r) + begin;
      for (std::int64_t j = 0; j < n; ++j) gb[j] += static_cast<Sum>(row[j]);
    }
  }
};

}  // namespace llep::kokkos::detail
