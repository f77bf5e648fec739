// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/space.hpp>

namespace llep::kokkos::detail {

// A team's share of a matrix product: a tile of sums. Operands are cut along their depth, packed
// into the team's scratch as numbers to compute with, zeros beyond the edges, and multiplied there.
// Every sum is a thread's and ascends along the depth, so it hangs on its row and column alone.

/// On a host a thread is a team and has a whole tile, in blocks that fit into vector registers;
/// elsewhere it has 4 x 4 sums, in registers.
template <class Space>
struct tile_shape {
  static constexpr int rows = on_host<Space> ? 128 : 64;
  static constexpr int cols = 64;
  static constexpr int depth = on_host<Space> ? 128 : 16;
  static constexpr unsigned threads = on_host<Space> ? 1 : 256;
  static constexpr int scratch_level = on_host<Space> ? 1 : 0;
  static constexpr int block_rows = 4;
  static constexpr int block_cols = on_host<Space> ? 32 : 4;
  static constexpr int thread_rows = on_host<Space> ? rows : block_rows;
  static constexpr int thread_cols = on_host<Space> ? cols : block_cols;
  static constexpr int threads_across = cols / thread_cols;
  static_assert((rows / thread_rows) * threads_across == int{threads});

  template <class Sum>
  static constexpr int scratch_bytes = (rows + cols) * depth * static_cast<int>(sizeof(Sum));
};

/// Lines of an operand (rows of the left one, columns of the right one) by depth. By lines: a
/// line's elements lie side by side; else those of a depth do.
template <class T, bool ByLines>
struct operand {
  T const* data;
  std::int64_t stride;
};
template <class T>
using by_lines = operand<T, true>;
template <class T>
using by_depth = operand<T, false>;

/// For all i < outer, j < inner: f(i, j), neighbouring j at the same time.
template <class Space, class F>
KOKKOS_FUNCTION void for_pairs(team_member<Space> const& team, int outer, int inner, F const& f) {
  if constexpr (on_host<Space>) {
    for (int i = 0; i < outer; ++i)
      for (int j = 0; j < inner; ++j) f(i, j);
  } else {
    for (int at = team.team_rank(); at < outer * inner; at += team.team_size())
      f(at / inner, at % inner);
  }
}

template <class Space, class Sum>
class tile_product {
  using shape = tile_shape<Space>;
  using block_row = Sum[shape::block_cols];

 public:
  using member = team_member<Space>;

  /// Rows and columns that there are, at most the shape's.
  KOKKOS_FUNCTION tile_product(member const& team, std::int64_t rows, std::int64_t cols)
      : team_(team),
        rows_(static_cast<int>(rows < shape::rows ? rows : shape::rows)),
        cols_(static_cast<int>(cols < shape::cols ? cols : shape::cols)) {
    constexpr int level = shape::scratch_level;  // these are taken by reference, which device code
    constexpr int bytes = shape::template scratch_bytes<Sum>;  // can't of a class's constants
    left_ = static_cast<Sum*>(team.team_scratch(level).get_shmem_aligned(bytes, 64));
    right_ = left_ + shape::rows * shape::depth;
    for (int r = 0; r < shape::thread_rows; ++r)
      for (int c = 0; c < shape::thread_cols; ++c) sums_[r][c] = 0;
  }

  /// sums += a b, where a's first line is the tile's first row and b's its first column.
  template <class A, bool AByLines, class B, bool BByLines>
  KOKKOS_FUNCTION void add(operand<A, AByLines> a, operand<B, BByLines> b, std::int64_t depth) {
    for (std::int64_t first = 0; first < depth; first += shape::depth) {
      int const n = static_cast<int>(depth - first < shape::depth ? depth - first : shape::depth);
      load_left(a, first, n);
      load_right(b, first, n);
      team_.team_barrier();
      multiply(AByLines ? shape::depth : 1, AByLines ? 1 : shape::rows, n);
      team_.team_barrier();  // nobody packs over what others still read
    }
  }

  /// f(row, col, sum) for all sums, each by one thread; col ascends.
  template <class F>
  KOKKOS_FUNCTION void deliver(F const& f) const {
    for (int r = 0; r < shape::thread_rows && row(r) < rows_; ++r)
      for (int c = 0; c < shape::thread_cols && col(c) < cols_; ++c) f(row(r), col(c), sums_[r][c]);
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION int row(int r) const {
    return team_.team_rank() / shape::threads_across * shape::thread_rows + r;
  }
  [[nodiscard]] KOKKOS_FUNCTION int col(int c) const {  // neighbours are other threads'
    return team_.team_rank() % shape::threads_across + c * shape::threads_across;
  }

  // Lines are packed up to the end of the last block that is computed.
  [[nodiscard]] KOKKOS_FUNCTION static int whole_blocks(int n, int block) {
    return (n + block - 1) / block * block;
  }

  template <class T, bool ByLines>
  KOKKOS_FUNCTION void load_left(operand<T, ByLines> a, std::int64_t first, int n) const {
    int const lines = whole_blocks(rows_, shape::block_rows);
    if constexpr (ByLines)
      for_pairs<Space>(team_, lines, n, [&](int r, int k) {
        left_[r * shape::depth + k] =
            r < rows_ ? static_cast<Sum>(a.data[r * a.stride + first + k]) : Sum{0};
      });
    else
      for_pairs<Space>(team_, n, lines, [&](int k, int r) {
        left_[k * shape::rows + r] =
            r < rows_ ? static_cast<Sum>(a.data[(first + k) * a.stride + r]) : Sum{0};
      });
  }

  // Always by depth, so that neighbouring columns are computed at the same time.
  template <class T, bool ByLines>
  KOKKOS_FUNCTION void load_right(operand<T, ByLines> b, std::int64_t first, int n) const {
    if constexpr (ByLines)
      for_pairs<Space>(team_, shape::cols, n, [&](int c, int k) {
        right_[k * shape::cols + c] =
            c < cols_ ? static_cast<Sum>(b.data[c * b.stride + first + k]) : Sum{0};
      });
    else
      for_pairs<Space>(team_, n, shape::cols, [&](int k, int c) {
        right_[k * shape::cols + c] =
            c < cols_ ? static_cast<Sum>(b.data[(first + k) * b.stride + c]) : Sum{0};
      });
  }

  // By blocks of sums that stay in registers along the depth. `down` and `along` are the left
  // operand's steps by row and by depth.
  KOKKOS_FUNCTION void multiply(int down, int along, int n) {
    for (int r = 0; r < shape::thread_rows && row(r) < rows_; r += shape::block_rows)
      for (int c = 0; c < shape::thread_cols && col(c) < cols_; c += shape::block_cols)
        multiply_block(left_ + row(r) * down, down, along, right_ + col(c), n, r, c);
  }

  KOKKOS_FUNCTION void multiply_block(Sum const* left, int down, int along, Sum const* right, int n,
                                      int r, int c) {
    static_assert(shape::block_rows == 4);
    constexpr int width = shape::block_cols;
    constexpr int step = shape::threads_across;
    block_row sum0, sum1, sum2, sum3;
    for (int j = 0; j < width; ++j) {
      sum0[j] = sums_[r][c + j];
      sum1[j] = sums_[r + 1][c + j];
      sum2[j] = sums_[r + 2][c + j];
      sum3[j] = sums_[r + 3][c + j];
    }
    for (int k = 0; k < n; ++k, left += along, right += shape::cols) {
      Sum const a0 = left[0];
      Sum const a1 = left[down];
      Sum const a2 = left[2 * down];
      Sum const a3 = left[3 * down];
      for (int j = 0; j < width; ++j) {
        Sum const b = right[j * step];
        sum0[j] += a0 * b;
        sum1[j] += a1 * b;
        sum2[j] += a2 * b;
        sum3[j] += a3 * b;
      }
    }
    for (int j = 0; j < width; ++j) {
      sums_[r][c + j] = sum0[j];
      sums_[r + 1][c + j] = sum1[j];
      sums_[r + 2][c + j] = sum2[j];
      sums_[r + 3][c + j] = sum3[j];
    }
  }

  member const& team_;
  int rows_, cols_;
  Sum* left_;
  Sum* right_;
  Sum sums_[shape::thread_rows][shape::thread_cols];
};

}  // namespace llep::kokkos::detail
