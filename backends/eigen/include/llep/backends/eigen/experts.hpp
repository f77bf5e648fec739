// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <llep/backends/eigen/activation.hpp>
#include <llep/backends/eigen/gemm.hpp>
#include <llep/backends/eigen/tile.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/shape.hpp>

namespace llep::eigen {

// The core's expert families, a tile at a time. The inner activations are made and used up in
// chunks of columns, so that they stay in cache and their memory doesn't grow with F.

/// Columns of a chunk: whole blocks of depth for the second product, so that the order of its sums
/// is that of one product over all of F.
template <class T>
inline constexpr std::int64_t chunk_columns = 4 * block_sizes<T>::depth;

namespace detail {

template <class T>
void set_rows(matrix_ref<T> z, T value) {
  for (row_count r = 0; r < z.rows; ++r) std::fill_n(z.row(r), z.cols, value);
}
template <class T>
void set_rows(matrix_ref<T> z, T const* row) {
  for (row_count r = 0; r < z.rows; ++r) std::copy_n(row, z.cols, z.row(r));
}

/// `cols` columns of z from `first` on.
template <class T>
matrix_ref<T> columns(matrix_ref<T> z, std::int64_t first, std::int64_t cols) {
  return {z.data + first, z.rows, cols, z.stride};
}

}  // namespace detail

/// Elements of a row of inner activations that `forward` wants in its tile.
template <class T>
std::int64_t inner_columns(linear_expert<T> const&) {
  return 0;
}
template <class T>
std::int64_t inner_columns(swiglu_expert<T> const& f) {
  return 2 * (std::min)(f.inner, chunk_columns<T>);
}
template <class T>
std::int64_t inner_columns(gptoss_expert<T> const& f) {
  return 2 * (std::min)(f.inner, chunk_columns<T>);
}

/// t.y = expert(t.x)
template <class T>
void forward(linear_expert<T> const& f, std::array<T const*, 1> w, tile<T> const& t) {
  detail::set_rows(t.y, T{0});
  add_product<T>(t.x, {w[0], f.hidden, f.hidden}, t.y, t.blocks);
}

template <class T>
void forward(swiglu_expert<T> const& f, std::array<T const*, 3> w, tile<T> const& t) {
  detail::set_rows(t.y, T{0});
  for (std::int64_t i = 0; i < f.inner; i += chunk_columns<T>) {
    std::int64_t const n = (std::min)(chunk_columns<T>, f.inner - i);
    matrix_ref<T const> const weights(w[0] + i, f.hidden, n, f.inner);
    matrix_ref<T const> const up_weights(w[1] + i, f.hidden, n, f.inner);
    auto const gate = detail::columns(t.inner, 0, n);
    auto const up = detail::columns(t.inner, t.inner.cols / 2, n);
    detail::set_rows(gate, T{0});
    detail::set_rows(up, T{0});
    add_product<T>(t.x, weights, gate, t.blocks);
    add_product<T>(t.x, up_weights, up, t.blocks);
    silu_product<T>(gate, up);
    add_product<T>(gate, {w[2] + i * f.hidden, n, f.hidden}, t.y, t.blocks);
  }
}

template <class T>
void forward(gptoss_expert<T> const& f, std::array<T const*, 4> w, tile<T> const& t) {
  detail::set_rows(t.y, w[3]);
  for (std::int64_t i = 0; i < f.inner; i += chunk_columns<T>) {
    std::int64_t const n = (std::min)(chunk_columns<T>, f.inner - i);
    auto const z = detail::columns(t.inner, 0, 2 * n);
    detail::set_rows(z, w[1] + 2 * i);
    add_product<T>(t.x, {w[0] + 2 * i, f.hidden, 2 * n, 2 * f.inner}, z, t.blocks);
    clamped_product(z, static_cast<T>(f.alpha), static_cast<T>(f.limit));
    add_product<T>(detail::columns(z, 0, n), {w[2] + i * f.hidden, n, f.hidden}, t.y, t.blocks);
  }
}

}  // namespace llep::eigen
