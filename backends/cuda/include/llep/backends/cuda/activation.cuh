// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include <llep/backends/cuda/gates.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// What lies between the products of an expert when those are a library's: rows of h are padded to
// whole vectors of 16 bytes, rows of z hold two of those, and the gates' `inner` counts the padding
// too. So each vector is aligned, whatever F; what is computed from padding stays in padding.

/// F as rows of h have it in memory.
template <class Row>
[[nodiscard]] constexpr std::int64_t padded_inner(std::int64_t inner) {
  return ceil_div(inner, per_16_bytes<Row>) * per_16_bytes<Row>;
}

/// Whether z is [gate, up, gate, up...] rather than [gates, ups].
template <class Gate>
inline constexpr bool interleaved = false;
template <class T>
inline constexpr bool interleaved<clamped_gate<T>> = true;

/// A vector's worth of gates, and of ups, to compute with.
template <class Row, class Gate>
struct gate_pairs {
  using number = accumulator_t<Row>;
  static constexpr int width = per_16_bytes<Row>;
  using row_vector = vector<Row, width>;

  number z[std::size_t{2 * width}];  // two vectors as they lie in a row

  [[nodiscard]] __device__ number& gate(int j) { return z[interleaved<Gate> ? 2 * j : j]; }
  [[nodiscard]] __device__ number& up(int j) {
    return z[interleaved<Gate> ? 2 * j + 1 : width + j];
  }

  /// Pairs i, i + 1, ... of a row; width divides i.
  __device__ void read(Gate const& g, Row const* row, std::int64_t i) {
    row_vector const first = *reinterpret_cast<row_vector const*>(row + g.gate_at(i));
    row_vector const second = *reinterpret_cast<row_vector const*>(row + second_at(g, i));
#pragma unroll
    for (int j = 0; j < width; ++j) {
      z[j] = loaded(first.at[j]);
      z[width + j] = loaded(second.at[j]);
    }
  }
  __device__ void write(Gate const& g, Row* row, std::int64_t i) const {
    row_vector first, second;
#pragma unroll
    for (int j = 0; j < width; ++j) {
      first.at[j] = stored<Row>(z[j]);
      second.at[j] = stored<Row>(z[width + j]);
    }
    *reinterpret_cast<row_vector*>(row + g.gate_at(i)) = first;
    *reinterpret_cast<row_vector*>(row + second_at(g, i)) = second;
  }

  /// A bias lies as a row does, but has neither padding nor, always, alignment.
  __device__ void add_bias(Gate const& g, Row const* bias, std::int64_t columns, std::int64_t i) {
    if (reinterpret_cast<std::uintptr_t>(bias) % sizeof(row_vector) == 0 &&
        g.up_at(i + width - 1) < columns) {
      gate_pairs by;
      by.read(g, bias, i);
#pragma unroll
      for (int j = 0; j < 2 * width; ++j) z[j] += by.z[j];
      return;
    }
#pragma unroll
    for (int j = 0; j < width; ++j) {
      if (g.up_at(i + j) >= columns) return;
      gate(j) += loaded(bias[g.gate_at(i + j)]);
      up(j) += loaded(bias[g.up_at(i + j)]);
    }
  }

 private:
  [[nodiscard]] __device__ static std::int64_t second_at(Gate const& g, std::int64_t i) {
    return interleaved<Gate> ? g.gate_at(i) + width : g.up_at(i);
  }
};

inline constexpr int vector_threads = 256;  // of a block, each with a vector of a row

/// Which vector of which row a thread has; vectors of a group count through its rows.
struct vector_place {
  std::int32_t group;
  std::int64_t row;
  std::int64_t column;  // of its first element

  template <std::size_t Blocks>
  __device__ vector_place(group_batch<Blocks> const& batch, std::int64_t columns, int width)
      : group(batch.group_of(blockIdx.x)) {
    std::int64_t const vectors = columns / width;
    std::int64_t const at =
        (blockIdx.x - batch.items_before[group]) * std::int64_t{blockDim.x} + threadIdx.x;
    row = at / vectors;
    column = (at - row * vectors) * width;
  }
};

/// The body of apply_gates.
template <std::size_t Bias, std::size_t Blocks, class Row, class Gate>
__global__ void gate_rows(__grid_constant__ group_batch<Blocks> const batch, Gate gate,
                          std::int64_t bias_columns, row_area<Row const> z, row_area<Row> h) {
  using pairs = gate_pairs<Row, Gate>;
  vector_place const at(batch, h.stride, pairs::width);
  auto const& group = batch.groups[at.group];
  if (at.row >= group.rows) return;
  pairs p;
  p.read(gate, z.row(group, at.row), at.column);
  if constexpr (Bias != no_block)
    p.add_bias(gate, static_cast<Row const*>(group.weights[Bias]), bias_columns, at.column);
  typename pairs::row_vector result;
#pragma unroll
  for (int j = 0; j < pairs::width; ++j) result.at[j] = stored<Row>(gate(p.gate(j), p.up(j)));
  *reinterpret_cast<typename pairs::row_vector*>(h.row(group, at.row) + at.column) = result;
}

/// The body of apply_gates_back.
template <std::size_t Bias, std::size_t Blocks, class Row, class Gate>
__global__ void gate_rows_back(__grid_constant__ group_batch<Blocks> const batch, Gate gate,
                               std::int64_t bias_columns, row_area<Row const> z, row_area<Row> h,
                               row_area<Row> gz) {
  using pairs = gate_pairs<Row, Gate>;
  using row_vector = typename pairs::row_vector;
  vector_place const at(batch, h.stride, pairs::width);
  auto const& group = batch.groups[at.group];
  if (at.row >= group.rows) return;
  pairs p, by;
  p.read(gate, z.row(group, at.row), at.column);
  if constexpr (Bias != no_block)
    p.add_bias(gate, static_cast<Row const*>(group.weights[Bias]), bias_columns, at.column);
  auto* const place = reinterpret_cast<row_vector*>(h.row(group, at.row) + at.column);
  row_vector const gh = *place;
  row_vector result;
#pragma unroll
  for (int j = 0; j < pairs::width; ++j) {
    result.at[j] = stored<Row>(gate(p.gate(j), p.up(j)));
    gate.back(p.gate(j), p.up(j), loaded(gh.at[j]), by.gate(j), by.up(j));
  }
  *place = result;
  by.write(gate, gz.row(group, at.row), at.column);
}

/// The body of fill_rows.
template <class Vector, std::size_t Blocks, class Row>
__global__ void copy_to_rows(__grid_constant__ group_batch<Blocks> const batch, std::size_t block,
                             row_area<Row> y) {
  constexpr auto width = static_cast<int>(sizeof(Vector) / sizeof(Row));
  vector_place const at(batch, y.stride, width);
  auto const& group = batch.groups[at.group];
  if (at.row >= group.rows) return;
  auto const* const from = static_cast<Row const*>(group.weights[block]) + at.column;
  *reinterpret_cast<Vector*>(y.row(group, at.row) + at.column) =
      *reinterpret_cast<Vector const*>(from);
}

/// Puts a kernel on q whose threads have a vector each of rows of so many columns.
template <std::size_t Blocks, class... Parameters, class... Arguments>
void launch_vectors(queue& q, std::span<placed_group<Blocks> const> groups, std::int64_t columns,
                    int width, void (*kernel)(Parameters...), Arguments const&... arguments) {
  for_batches<Blocks>(
      groups, [&](row_count rows) { return ceil_div(rows * (columns / width), vector_threads); },
      [&](auto const& batch, std::int64_t items) {
        launch(q, {items, vector_threads}, kernel, batch, arguments...);
      });
}

/// h = gate(z + bias) for all rows of the groups; the bias, of so many columns, is block Bias, or
/// there is none.
template <std::size_t Bias, std::size_t Blocks, class Row, class Gate>
void apply_gates(queue& q, std::span<placed_group<Blocks> const> groups, Gate const& gate,
                 std::int64_t bias_columns, row_area<Row const> z, row_area<Row> h) {
  launch_vectors(q, groups, h.stride, per_16_bytes<Row>, gate_rows<Bias, Blocks, Row, Gate>, gate,
                 bias_columns, z, h);
}

/// The way back: h holds the gradient by h and becomes h; gz, which z may be, is set.
template <std::size_t Bias, std::size_t Blocks, class Row, class Gate>
void apply_gates_back(queue& q, std::span<placed_group<Blocks> const> groups, Gate const& gate,
                      std::int64_t bias_columns, row_area<Row const> z, row_area<Row> h,
                      row_area<Row> gz) {
  launch_vectors(q, groups, h.stride, per_16_bytes<Row>, gate_rows_back<Bias, Blocks, Row, Gate>,
                 gate, bias_columns, z, h, gz);
}

/// Each row of y = the block of its group, a bias. Products that add to y then round it once, where
/// a bias that is added to them would round it again; either costs a pass.
template <std::size_t Blocks, class Row>
void fill_rows(queue& q, std::span<placed_group<Blocks> const> groups, std::size_t block,
               row_area<Row> y) {
  alignment_of all;
  all.with(y.data).with(y.stride * static_cast<byte_count>(sizeof(Row)));
  for (auto const& group : groups) all.with(group.weights[block]);
  with_vector<Row>(all, [&]<class Vector>(Vector*) {
    launch_vectors(q, groups, y.stride, static_cast<int>(sizeof(Vector) / sizeof(Row)),
                   copy_to_rows<Vector, Blocks, Row>, block, y);
  });
}

}  // namespace llep::cuda::detail
