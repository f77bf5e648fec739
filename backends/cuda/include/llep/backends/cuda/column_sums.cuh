// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// Runs of rows that a block of add_column_sums adds up side by side.
inline constexpr int column_runs = 16;

/// Its body.
template <class Grad, std::size_t Blocks, class Row>
__global__ void sum_columns(__grid_constant__ group_batch<Blocks> const batch, std::size_t block,
                            std::int64_t columns, row_area<Row const> rows) {
  __shared__ Grad sums[column_runs][warp_size];
  int const lane = static_cast<int>(threadIdx.x) % warp_size;
  int const run = static_cast<int>(threadIdx.x) / warp_size;
  std::int32_t const g = batch.group_of(blockIdx.x);
  auto const& group = batch.groups[g];
  std::int64_t const c = (blockIdx.x - batch.items_before[g]) * warp_size + lane;
  Grad sum = 0;
  if (c < columns) {
#pragma unroll 4
    for (row_count r = run; r < group.rows; r += column_runs) sum += loaded(rows.row(group, r)[c]);
  }
  sums[run][lane] = sum;
  for (int half = column_runs / 2; half > 0; half /= 2) {
    __syncthreads();
    if (run < half) sums[run][lane] += sums[run + half][lane];
  }
  if (run == 0 && c < columns) static_cast<Grad*>(group.grads[block])[c] += sums[0][lane];
}

/// A bias' gradient: a group's grads[block][c] += sum over its rows of rows[.][c], for `columns`
/// columns. A launch's block has 32 of them, its warp w the rows w, w + 16, ..., ascending, and
/// the warps are added up as a tree: the order hangs on the number of rows alone.
template <class Grad, std::size_t Blocks, class Row>
void add_column_sums(queue& q, std::span<placed_group<Blocks> const> groups, std::size_t block,
                     std::int64_t columns, row_area<Row const> rows) {
  for_batches<Blocks>(
      groups, [&](row_count) { return ceil_div(columns, warp_size); },
      [&](auto const& batch, std::int64_t items) {
        launch(q, {items, column_runs * warp_size}, sum_columns<Grad, Blocks, Row>, batch, block,
               columns, rows);
      });
}

}  // namespace llep::cuda::detail
