// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include <Eigen/Core>

#include <llep/shape.hpp>

namespace llep::eigen {

// What lies between the products of an expert: one pass over a tile, in packets. Element i of
// every row takes the same way, packet or remainder, so that rows don't hang on their neighbours.

/// gate = silu(gate) * up, with silu(z) = z sigmoid(z). Rows begin at multiples of 64 bytes.
template <class T>
void silu_product(matrix_ref<T> gate, matrix_ref<T const> up) {
  using array = Eigen::Array<T, Eigen::Dynamic, 1>;
  for (row_count r = 0; r < gate.rows; ++r) {
    Eigen::Map<array> g(gate.row(r), gate.cols);
    Eigen::Map<array const> const u(up.row(r), gate.cols);
    g = u * g / (T{1} + (-g).exp());
  }
}

/// A row of z is [gate, up, gate, up, ...]; its first half becomes (up + 1) gate sigmoid(alpha
/// gate) with gate = min(gate, limit) and up clamped to +-limit. A NaN stays one.
template <class T>
void clamped_product(matrix_ref<T> z, T alpha, T limit) {
  constexpr std::int64_t width = 64;
  using array = Eigen::Array<T, width, 1>;
  array gate = array::Zero();
  array up = array::Zero();
  for (row_count r = 0; r < z.rows; ++r) {
    T* const row = z.row(r);
    for (std::int64_t i = 0; i < z.cols / 2; i += width) {
      std::int64_t const n = (std::min)(width, z.cols / 2 - i);
      for (std::int64_t j = 0; j < n; ++j) {
        T const g = row[2 * (i + j)];  // not Eigen's min: it may lose a NaN
        gate[j] = limit < g ? limit : g;
        up[j] = std::clamp(row[2 * (i + j) + 1], -limit, limit);
      }
      up = (up + T{1}) * gate / (T{1} + (-alpha * gate).exp());
      std::copy_n(up.data(), n, row + i);  // behind what is still to be read
    }
  }
}

}  // namespace llep::eigen
