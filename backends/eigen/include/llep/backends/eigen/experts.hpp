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

namespace llep::eigen::detail {

// The core's expert families, a tile at a time, forward. The inner activations are made and used up
// in chunks of columns, so that they stay in cache and their memory doesn't grow with F.

/// Columns of a chunk: whole blocks of depth for the second product, so that the order of its sums
/// is that of one product over all of F.
template <class T>
inline constexpr std::int64_t chunk_columns = 4 * block_sizes<T>::depth;

/// `cols` columns of z from `first` on.
template <class T>
matrix_ref<T> columns(matrix_ref<T> z, std::int64_t first, std::int64_t cols) {
  return {z.data + first, z.rows, cols, z.stride};
}
/// `rows` rows of z from `first` on.
template <class T>
matrix_ref<T> rows(matrix_ref<T> z, std::int64_t first, std::int64_t rows) {
  return {z.row(first), rows, z.cols, z.stride};
}

template <class T>
void set_rows(matrix_ref<T> z, T value) {
  for (row_count r = 0; r < z.rows; ++r) std::fill_n(z.row(r), z.cols, value);
}
template <class T>
void set_rows(matrix_ref<T> z, T const* row) {
  for (row_count r = 0; r < z.rows; ++r) std::copy_n(row, z.cols, z.row(r));
}

/// Keeps the true rows of z in `saved`, if there is one, from column `first` on.
template <class T>
void save(matrix_ref<T> z, std::int64_t first, matrix_ref<T> saved) {
  if (saved.data == nullptr) return;
  for (row_count r = 0; r < saved.rows; ++r) std::copy_n(z.row(r), z.cols, saved.row(r) + first);
}

/// body(i, n) for the chunks [i, i + n) of F columns.
template <class T, class Body>
void for_chunks(std::int64_t inner, Body body) {
  for (std::int64_t i = 0; i < inner; i += chunk_columns<T>)
    body(i, (std::min)(chunk_columns<T>, inner - i));
}

/// Part k of a tile's inner activations, each as wide as a chunk at most: n of its columns.
template <class Family, class T>
matrix_ref<T> part(Family const& f, matrix_ref<T> inner, std::int64_t k, std::int64_t n) {
  return columns(inner, k * (std::min)(f.inner, chunk_columns<T>), n);
}

/// z = x w for the columns [i, i + z.cols) of w [H][F].
template <class T>
void inner_product(matrix_ref<T const> x, matrix_ref<T const> w, std::int64_t i, matrix_ref<T> z,
                   block_memory<T> blocks) {
  set_rows(z, T{0});
  add_product(x, columns(w, i, z.cols), z, blocks);
}
/// Likewise, and a bias.
template <class T>
void inner_product(matrix_ref<T const> x, matrix_ref<T const> w, T const* bias, std::int64_t i,
                   matrix_ref<T> z, block_memory<T> blocks) {
  set_rows(z, bias + i);
  add_product(x, columns(w, i, z.cols), z, blocks);
}

/// Elements of a row of inner activations that a tile wants.
template <class T>
std::int64_t inner_columns(linear_expert<T> const&, direction) {
  return 0;
}
template <class T>
std::int64_t inner_columns(swiglu_expert<T> const& f, direction way) {
  return (way == direction::forward ? 2 : 3) * (std::min)(f.inner, chunk_columns<T>);
}
template <class T>
std::int64_t inner_columns(gptoss_expert<T> const& f, direction way) {
  return (way == direction::forward ? 2 : 3) * (std::min)(f.inner, chunk_columns<T>);
}

/// t.y = expert(t.x)
template <class T>
void forward(linear_expert<T> const& f, std::array<T const*, 1> w, tile<T> const& t) {
  set_rows(t.y, T{0});
  add_product<T>(t.x, {w[0], f.hidden, f.hidden}, t.y, t.blocks);
}

template <class T>
void forward(swiglu_expert<T> const& f, std::array<T const*, 3> w, tile<T> const& t) {
  matrix_ref<T const> const down(w[2], f.inner, f.hidden);
  set_rows(t.y, T{0});
  for_chunks<T>(f.inner, [&](std::int64_t i, std::int64_t n) {
    auto const gate = part(f, t.inner, 0, n);
    auto const up = part(f, t.inner, 1, n);
    inner_product<T>(t.x, {w[0], f.hidden, f.inner}, i, gate, t.blocks);
    inner_product<T>(t.x, {w[1], f.hidden, f.inner}, i, up, t.blocks);
    save(gate, i, t.saved);
    save(up, f.inner + i, t.saved);
    silu_product<T>(gate, up);
    add_product<T>(gate, rows(down, i, n), t.y, t.blocks);
  });
}

template <class T>
void forward(gptoss_expert<T> const& f, std::array<T const*, 4> w, tile<T> const& t) {
  matrix_ref<T const> const down(w[2], f.inner, f.hidden);
  set_rows(t.y, w[3]);
  for_chunks<T>(f.inner, [&](std::int64_t i, std::int64_t n) {
    auto const z = columns(t.inner, 0, 2 * n);
    inner_product<T>(t.x, {w[0], f.hidden, 2 * f.inner}, w[1], 2 * i, z, t.blocks);
    save(z, 2 * i, t.saved);
    clamped_product(z, static_cast<T>(f.alpha), static_cast<T>(f.limit));
    add_product<T>(columns(z, 0, n), rows(down, i, n), t.y, t.blocks);
  });
}

}  // namespace llep::eigen::detail
