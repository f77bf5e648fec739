// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <Eigen/Core>

#include <llep/shape.hpp>

namespace llep::eigen {

// Eigen's matrix product, with block sizes and block memory of ours. `z.noalias() += x * w` would
// allocate both blocks in every call, and choose their sizes, and with them the order in which a
// row is summed, by the number of rows. So we enter one floor below, where Eigen's own BLAS does.

/// Rows that Eigen computes together. With a multiple of it all rows take the same way through
/// Eigen's innermost loops, and a row's bits don't hang on its neighbours.
template <class T>
inline constexpr row_count row_step =
    std::max<row_count>(4, Eigen::internal::gebp_traits<T, T>::nr);

/// The blocks in which a product is computed: of w, `depth` x `columns` elements, which pays off
/// the packing of x once it is wide; of x, `depth` x its rows, which should fit in half an L2.
template <class T>
struct block_sizes {
  static constexpr std::int64_t depth = 1152 / static_cast<std::int64_t>(sizeof(T));
  static constexpr std::int64_t columns = 4 * depth;
};

/// Memory for the two blocks, aligned as Eigen wants it.
template <class T>
struct block_memory {
  T* of_w = nullptr;  ///< [depth x columns]
  T* of_x = nullptr;  ///< [depth x rows]
};

namespace detail {

template <class T>
struct fixed_blocking : Eigen::internal::level3_blocking<T, T> {
  fixed_blocking(block_memory<T> memory, row_count rows) {
    this->m_blockA = memory.of_w;
    this->m_blockB = memory.of_x;
    this->m_kc = block_sizes<T>::depth;
    this->m_mc = block_sizes<T>::columns;
    this->m_nc = rows;
  }
};

}  // namespace detail

/// z += x w, in this thread. x.rows is a multiple of row_step.
template <class T>
void add_product(matrix_ref<T const> x, matrix_ref<T const> w, matrix_ref<T> z,
                 block_memory<T> memory) {
  // Row-major matrices are column-major ones transposed: z^T += w^T x^T.
  using product =
      Eigen::internal::general_matrix_matrix_product<Eigen::Index, T, Eigen::ColMajor, false, T,
                                                     Eigen::ColMajor, false, Eigen::ColMajor, 1>;
  detail::fixed_blocking<T> blocking(memory, x.rows);
  product::run(w.cols, x.rows, x.cols, w.data, w.stride, x.data, x.stride, z.data, 1, z.stride,
               T{1}, blocking, nullptr);
}

}  // namespace llep::eigen
