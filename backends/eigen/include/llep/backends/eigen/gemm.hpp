// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include <Eigen/Core>

#include <llep/shape.hpp>

namespace llep::eigen::detail {

// Eigen's matrix product, with block sizes and block memory of ours. `z.noalias() += x * w` would
// allocate both blocks in every call, and choose their sizes, and with them the order in which a
// row is summed, by the number of rows. So we enter one floor below, where Eigen's own BLAS does.

/// Rows that Eigen computes together. With a multiple of it all rows take the same way through
/// Eigen's innermost loops, and a row's bits don't hang on its neighbours.
template <class T>
inline constexpr row_count row_step =
    std::max<row_count>(4, Eigen::internal::gebp_traits<T, T>::nr);

/// Rows that are computed at a time: packing an expert's weights is paid once for all of them.
inline constexpr row_count most_tile_rows = 512;

/// The blocks in which z^T = w^T x^T is computed: of w, `depth` x `columns` elements, which pays
/// off the packing of x once it is wide; of x, `depth` x its rows, which should fit in half an L2.
/// In a gradient by weights the rows are the depth, in one block, so that it is gone through once.
template <class T>
struct block_sizes {
  static constexpr std::int64_t depth = 1152 / static_cast<std::int64_t>(sizeof(T));
  static constexpr std::int64_t columns = 4 * depth;
};

/// Memory for the two blocks, aligned as Eigen wants it; less where a product is smaller.
template <class T>
struct block_memory {
  T* of_w = nullptr;  ///< [depth x columns]; for gradients by weights [rows x columns]
  T* of_x = nullptr;  ///< [depth x rows]
};

/// The transpose of a matrix: the same elements, read by columns.
template <class T>
struct transposed {
  matrix_ref<T const> of;
};

template <class T>
struct fixed_blocking : Eigen::internal::level3_blocking<T, T> {
  fixed_blocking(block_memory<T> memory, bool depth_is_rows) {
    this->m_blockA = memory.of_w;
    this->m_blockB = memory.of_x;
    this->m_kc = depth_is_rows ? most_tile_rows : block_sizes<T>::depth;
    this->m_mc = block_sizes<T>::columns;
    this->m_nc = depth_is_rows ? block_sizes<T>::depth : most_tile_rows;
  }
};

// z += x w in this thread, where x or w may lie there as columns. Row-major matrices are
// column-major ones transposed: z^T += w^T x^T.
template <int OfW, int OfX, class T>
void run_product(matrix_ref<T const> x, matrix_ref<T const> w, std::int64_t depth, matrix_ref<T> z,
                 block_memory<T> memory) {
  using product = Eigen::internal::general_matrix_matrix_product<Eigen::Index, T, OfW, false, T,
                                                                 OfX, false, Eigen::ColMajor, 1>;
  fixed_blocking<T> blocking(memory, OfX == Eigen::RowMajor);
  product::run(z.cols, z.rows, depth, w.data, w.stride, x.data, x.stride, z.data, 1, z.stride, T{1},
               blocking, nullptr);
}

/// z += x w. x.rows is a multiple of row_step.
template <class T>
void add_product(matrix_ref<T const> x, matrix_ref<T const> w, matrix_ref<T> z,
                 block_memory<T> memory) {
  run_product<Eigen::ColMajor, Eigen::ColMajor>(x, w, w.rows, z, memory);
}

/// z += x w^T, the gradient by the rows. x.rows is a multiple of row_step.
template <class T>
void add_product(matrix_ref<T const> x, transposed<T> w, matrix_ref<T> z, block_memory<T> memory) {
  run_product<Eigen::RowMajor, Eigen::ColMajor>(x, w.of, x.cols, z, memory);
}

/// z += x^T w, the gradient by the weights. x.rows is at most most_tile_rows.
template <class T>
void add_product(transposed<T> x, matrix_ref<T const> w, matrix_ref<T> z, block_memory<T> memory) {
  run_product<Eigen::ColMajor, Eigen::RowMajor>(x.of, w, w.rows, z, memory);
}

}  // namespace llep::eigen::detail
