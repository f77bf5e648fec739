// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <llep/backends/eigen/gemm.hpp>
#include <llep/shape.hpp>

namespace llep::eigen::detail {

/// Some rows of one expert on their way forward, and the scratch to compute them in.
template <class T>
struct tile {
  matrix_ref<T const> x;   ///< a multiple of row_step rows
  matrix_ref<T> y;         ///< as many
  matrix_ref<T> inner;     ///< as many, of inner activations; every row begins at 64 bytes
  matrix_ref<T> saved;     ///< what the true rows are to leave for backward; no data: nothing
  block_memory<T> blocks;  ///< for add_product
};

/// Some rows of one expert on their way back.
template <class T>
struct gradient_tile {
  row_count rows;             ///< that are true; those behind them are zero
  matrix_ref<T const> x;      ///< a multiple of row_step rows
  matrix_ref<T const> gy;     ///< as many
  matrix_ref<T> gx;           ///< as many
  matrix_ref<T> inner;        ///< as many, of inner activations and their gradients
  matrix_ref<T const> saved;  ///< of the true rows; no data: it is to be computed again
  block_memory<T> blocks;     ///< for add_product
};

/// Which way rows go through an expert; what they want of scratch depends on it.
enum class direction { forward, backward };

/// Rows [first, first + rows) of packed matrices.
struct row_range {
  row_count first;
  row_count rows;

  /// No data where there is none.
  template <class T>
  [[nodiscard]] matrix_ref<T> of(T* matrix, std::int64_t cols) const {
    return {matrix == nullptr ? nullptr : matrix + first * cols, rows, cols};
  }
};

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

  /// @param way         forward, the copies are of x and y; backward of x, gy and gx
  /// @param hidden      H
  /// @param inner_cols  elements of a row of inner activations, may be 0
  /// @param work        null to learn the size
  tile_memory(direction way, tiling<T> const& cut, std::int64_t hidden, std::int64_t inner_cols,
              void* work)
      : at_(static_cast<std::byte*>(work)) {
    auto const widest = (std::max)(hidden, inner_cols);
    auto const depth = (std::min)(block_sizes<T>::depth, widest);
    auto const deepest = way == direction::forward ? depth : (std::max)(depth, cut.rows);
    blocks.of_w = take(deepest * (std::min)(block_sizes<T>::columns, widest));
    blocks.of_x = take(depth * cut.rows);
    inner_ = {nullptr, cut.rows, inner_cols, round_up(inner_cols, line_elements)};
    inner_.data = take(cut.rows * inner_.stride);
    if (!cut.has_ragged_tile()) return;
    for (std::size_t i = 0; i < (way == direction::forward ? 2U : 3U); ++i)
      copies_[i] = take(cut.rows * hidden);
  }

  [[nodiscard]] byte_count bytes() const { return used_; }

  block_memory<T> blocks;

  [[nodiscard]] matrix_ref<T> inner(row_count rows) const {
    return {inner_.data, filled_up(rows), inner_.cols, inner_.stride};
  }

  /// The packed rows, in copy i with rows of zeros behind them if row_step doesn't divide them.
  [[nodiscard]] matrix_ref<T const> filled(std::size_t i, matrix_ref<T const> rows) const {
    if (!is_ragged(rows.rows)) return rows;
    matrix_ref<T> const all(copies_[i], filled_up(rows.rows), rows.cols);
    std::copy_n(rows.data, rows.rows * rows.cols, all.data);
    std::fill_n(all.row(rows.rows), (all.rows - rows.rows) * rows.cols, T{0});
    return all;
  }

  /// Where the packed rows are to be computed: in place, or in copy i, whence `deliver` gets them.
  [[nodiscard]] matrix_ref<T> room(std::size_t i, matrix_ref<T> rows) const {
    if (!is_ragged(rows.rows)) return rows;
    return {copies_[i], filled_up(rows.rows), rows.cols};
  }
  void deliver(matrix_ref<T const> computed, matrix_ref<T> rows) const {
    if (is_ragged(rows.rows)) std::copy_n(computed.data, rows.rows * rows.cols, rows.data);
  }

 private:
  static constexpr std::int64_t line_elements = line_bytes / static_cast<std::int64_t>(sizeof(T));

  static constexpr std::int64_t round_up(std::int64_t n, std::int64_t step) {
    return (n + step - 1) / step * step;
  }
  static constexpr row_count filled_up(row_count rows) { return round_up(rows, row_step<T>); }
  static constexpr bool is_ragged(row_count rows) { return rows % row_step<T> != 0; }

  T* take(std::int64_t elements) {
    T* const here = at_ == nullptr ? nullptr : reinterpret_cast<T*>(at_ + used_);
    used_ += round_up(elements, line_elements) * static_cast<byte_count>(sizeof(T));
    return here;
  }

  std::byte* at_;
  byte_count used_ = 0;
  matrix_ref<T> inner_;
  std::array<T*, 3> copies_{};
};

}  // namespace llep::eigen::detail
