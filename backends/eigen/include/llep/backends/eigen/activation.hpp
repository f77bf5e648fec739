// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <Eigen/Core>

#include <llep/shape.hpp>

namespace llep::eigen::detail {

// What lies between the products of an expert: one pass over a tile, in packets. Element i of
// every row takes the same way, packet or remainder, so that rows don't hang on their neighbours.

template <class T>
using array = Eigen::Array<T, Eigen::Dynamic, 1>;

/// Columns that are worked on at a time where one pass makes several things.
inline constexpr std::int64_t strip_columns = 64;
template <class T>
using strip = Eigen::Array<T, strip_columns, 1>;

// gate = min(z[2j], limit) and up = z[2j + 1] clamped to +-limit, for n pairs; a NaN stays one.
template <class T>
void clamp_pairs(T const* z, std::int64_t n, T limit, strip<T>& gate, strip<T>& up) {
  for (std::int64_t j = 0; j < n; ++j) {
    T const g = z[2 * j];  // not Eigen's min: it may lose a NaN
    gate[j] = limit < g ? limit : g;
    up[j] = std::clamp(z[2 * j + 1], -limit, limit);
  }
}

// h = up gate sigmoid(alpha gate): gh, its gradient, becomes h; gate and up become their gradients.
template <class T>
void gated_gradients(T alpha, strip<T>& gate, strip<T>& up, strip<T>& gh) {
  strip<T> const s = T{1} / (T{1} + (-alpha * gate).exp());
  strip<T> const by_up = gate * s;
  gate = gh * up * (s * (T{1} + alpha * gate * (T{1} - s)));
  up *= by_up;
  gh *= by_up;
  up.swap(gh);
}

// What is clamped passes nothing back.
template <class T>
void store_pairs(strip<T> const& gate, strip<T> const& up, std::int64_t n, T limit, T* z) {
  for (std::int64_t j = 0; j < n; ++j) {
    z[2 * j] = limit < z[2 * j] ? T{0} : gate[j];
    z[2 * j + 1] = limit < z[2 * j + 1] || z[2 * j + 1] < -limit ? T{0} : up[j];
  }
}

/// gate = silu(gate) * up, with silu(z) = z sigmoid(z). Rows begin at multiples of 64 bytes.
template <class T>
void silu_product(matrix_ref<T> gate, matrix_ref<T const> up) {
  for (row_count r = 0; r < gate.rows; ++r) {
    Eigen::Map<array<T>> g(gate.row(r), gate.cols);
    Eigen::Map<array<T> const> const u(up.row(r), gate.cols);
    g = u * g / (T{1} + (-g).exp());
  }
}

/// Its way back, in place: h is the gradient by the product and becomes the product; gate and up
/// become their gradients.
template <class T>
void silu_gradients(matrix_ref<T> gate, matrix_ref<T> up, matrix_ref<T> h) {
  std::array<matrix_ref<T>, 3> const all{gate, up, h};
  std::array<strip<T>, 3> strips;
  strips.fill(strip<T>::Zero());
  for (row_count r = 0; r < h.rows; ++r)
    for (std::int64_t i = 0; i < h.cols; i += strip_columns) {
      std::int64_t const n = (std::min)(strip_columns, h.cols - i);
      for (std::size_t k = 0; k < 3; ++k) std::copy_n(all[k].row(r) + i, n, strips[k].data());
      gated_gradients(T{1}, strips[0], strips[1], strips[2]);
      for (std::size_t k = 0; k < 3; ++k) std::copy_n(strips[k].data(), n, all[k].row(r) + i);
    }
}

/// A row of z is [gate, up, gate, up, ...]; its first half becomes (up + 1) gate sigmoid(alpha
/// gate) with gate = min(gate, limit) and up clamped to +-limit. A NaN stays one.
template <class T>
void clamped_product(matrix_ref<T> z, T alpha, T limit) {
  strip<T> gate = strip<T>::Zero();
  strip<T> up = strip<T>::Zero();
  for (row_count r = 0; r < z.rows; ++r) {
    T* const row = z.row(r);
    for (std::int64_t i = 0; i < z.cols / 2; i += strip_columns) {
      std::int64_t const n = (std::min)(strip_columns, z.cols / 2 - i);
      clamp_pairs(row + 2 * i, n, limit, gate, up);
      up = (up + T{1}) * gate / (T{1} + (-alpha * gate).exp());
      std::copy_n(up.data(), n, row + i);  // behind what is still to be read
    }
  }
}

/// Its way back, in place: h is the gradient by the product and becomes the product; z becomes its
/// gradient.
template <class T>
void clamped_gradients(matrix_ref<T> z, matrix_ref<T> h, T alpha, T limit) {
  strip<T> gate = strip<T>::Zero();
  strip<T> up = strip<T>::Zero();
  strip<T> gh = strip<T>::Zero();
  for (row_count r = 0; r < h.rows; ++r)
    for (std::int64_t i = 0; i < h.cols; i += strip_columns) {
      std::int64_t const n = (std::min)(strip_columns, h.cols - i);
      T* const pairs = z.row(r) + 2 * i;
      clamp_pairs(pairs, n, limit, gate, up);
      std::copy_n(h.row(r) + i, n, gh.data());
      up += T{1};
      gated_gradients(alpha, gate, up, gh);
      store_pairs(gate, up, n, limit, pairs);
      std::copy_n(gh.data(), n, h.row(r) + i);
    }
}

}  // namespace llep::eigen::detail
