// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <llep/backends/eigen/gemm.hpp>
#include <llep/shape.hpp>

namespace llep::eigen {

/// Some rows of one expert, and the scratch to compute them in.
template <class T>
struct tile {
  matrix_ref<T const> x;   ///< a multiple of row_step rows
  matrix_ref<T> y;         ///< as many
  matrix_ref<T> inner;     ///< as many, of inner activations; every row begins at 64 bytes
  block_memory<T> blocks;  ///< for add_product
};

/// Rows that are computed at a time: packing an expert's weights is paid once a tile.
inline constexpr row_count most_tile_rows = 512;

/// How the rows of a group are cut into tiles: as even as row_step allows, since a small tile
/// costs nearly as much packing as a large one. All tiles but the last have `rows` rows.
template <class T>
struct tiling {
  row_count all;   ///< rows of the group, >= 1
  row_count rows;  ///< of a tile, a multiple of row_step

  explicit constexpr tiling(row_count group_rows) : all(group_rows), rows(0) {
    auto const steps = (all + row_step<T> - 1) / row_step<T>;
    auto const most_steps = most_tile_rows / row_step<T>;
    auto const tiles = (steps + most_steps - 1) / most_steps;
    rows = (steps + tiles - 1) / tiles * row_step<T>;
  }

  /// The last tile is computed in copies that are filled up to row_step.
  [[nodiscard]] constexpr bool has_ragged_tile() const { return all % row_step<T> != 0; }
};

/// Where a tile's scratch lies. Made twice by the same code: to know the bytes, and to use them.
template <class T>
class tile_memory {
 public:
  /// What the memory is aligned to: a cache line, or what Eigen's packets want.
  static constexpr std::int64_t line_bytes = (std::max)(64, EIGEN_DEFAULT_ALIGN_BYTES);

  /// @param hidden      H
  /// @param inner_cols  elements of a row of inner activations, may be 0
  /// @param work        null to learn the size
  tile_memory(tiling<T> const& cut, std::int64_t hidden, std::int64_t inner_cols, void* work)
      : at_(static_cast<std::byte*>(work)) {
    auto const depth = (std::min)(block_sizes<T>::depth, (std::max)(hidden, inner_cols));
    auto const columns = (std::min)(block_sizes<T>::columns, (std::max)(hidden, inner_cols));
    blocks.of_w = take(depth * columns);
    blocks.of_x = take(depth * cut.rows);
    inner = {nullptr, cut.rows, inner_cols, round_up(inner_cols, line_elements)};
    inner.data = take(cut.rows * inner.stride);
    if (!cut.has_ragged_tile()) return;
    x = {take(cut.rows * hidden), cut.rows, hidden};
    y = {take(cut.rows * hidden), cut.rows, hidden};
  }

  [[nodiscard]] byte_count bytes() const { return used_; }

  block_memory<T> blocks;
  matrix_ref<T> inner;
  matrix_ref<T> x, y;  ///< copies of a ragged tile

 private:
  static constexpr std::int64_t line_elements = line_bytes / static_cast<std::int64_t>(sizeof(T));

  static constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
    return (n + step - 1) / step * step;
  }

  T* take(std::int64_t elements) {
    T* const here = at_ == nullptr ? nullptr : reinterpret_cast<T*>(at_ + used_);
    used_ += round_up(elements, line_elements) * static_cast<byte_count>(sizeof(T));
    return here;
  }

  std::byte* at_;
  byte_count used_ = 0;
};

}  // namespace llep::eigen
