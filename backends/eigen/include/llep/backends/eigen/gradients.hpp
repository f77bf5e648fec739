// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <Eigen/Core>

#include <llep/backends/eigen/activation.hpp>
#include <llep/backends/eigen/experts.hpp>
#include <llep/backends/eigen/gemm.hpp>
#include <llep/backends/eigen/tile.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/shape.hpp>

namespace llep::eigen::detail {

// The core's expert families, a tile at a time, backward, in the chunks of the way forward.
// A product z = x w has two gradients: gx += gz w^T, whose rows don't hang on their neighbours, and
// gw += x^T gz, of true rows only, so that nothing of the zero rows behind them gets in.

/// gw += x^T gz
template <class T>
void add_weight_gradient(gradient_tile<T> const& t, matrix_ref<T const> x, matrix_ref<T const> gz,
                         matrix_ref<T> gw) {
  add_product<T>(transposed<T>{rows(x, 0, t.rows)}, rows(gz, 0, t.rows), gw, t.blocks);
}

/// Of a bias: to[i] += sum over rows, ascending, of gz[row][i].
template <class T>
void add_bias_gradient(gradient_tile<T> const& t, matrix_ref<T const> gz, T* to) {
  Eigen::Map<array<T>> sum(to, gz.cols);
  for (row_count r = 0; r < t.rows; ++r) sum += Eigen::Map<array<T> const>(gz.row(r), gz.cols);
}

/// What `save` kept, with zeros in the rows behind the true ones.
template <class T>
void load(matrix_ref<T const> saved, std::int64_t first, matrix_ref<T> z) {
  for (row_count r = 0; r < saved.rows; ++r) std::copy_n(saved.row(r) + first, z.cols, z.row(r));
  set_rows(rows(z, saved.rows, z.rows - saved.rows), T{0});
}

/// Back through the product with the rows [i, i + gh.cols) of down [F][H]: gh = gy down^T.
template <class T>
void inner_gradient(gradient_tile<T> const& t, matrix_ref<T const> down, std::int64_t i,
                    matrix_ref<T> gh) {
  set_rows(gh, T{0});
  add_product<T>(t.gy, transposed<T>{rows(down, i, gh.cols)}, gh, t.blocks);
}

/// Back through `inner_product`: gx += gz w^T and gw += x^T gz, for the columns [i, i + gz.cols).
template <class T>
void add_input_gradients(gradient_tile<T> const& t, matrix_ref<T const> gz, std::int64_t i,
                         matrix_ref<T const> w, matrix_ref<T> gw) {
  add_product<T>(gz, transposed<T>{columns(w, i, gz.cols)}, t.gx, t.blocks);
  add_weight_gradient<T>(t, t.x, gz, columns(gw, i, gz.cols));
}

/// t.gx = the gradient by t.x, given that by the expert's output; adds to the blocks' gradients.
template <class T>
void backward(linear_expert<T> const& f, std::array<T const*, 1> w, std::array<T*, 1> grads,
              gradient_tile<T> const& t) {
  set_rows(t.gx, T{0});
  add_input_gradients<T>(t, t.gy, 0, {w[0], f.hidden, f.hidden}, {grads[0], f.hidden, f.hidden});
}

template <class T>
void backward(swiglu_expert<T> const& f, std::array<T const*, 3> w, std::array<T*, 3> grads,
              gradient_tile<T> const& t) {
  matrix_ref<T> const down(grads[2], f.inner, f.hidden);
  set_rows(t.gx, T{0});
  for_chunks<T>(f.inner, [&](std::int64_t i, std::int64_t n) {
    std::array const z{part(f, t.inner, 0, n), part(f, t.inner, 1, n)};  // gate, up
    auto const h = part(f, t.inner, 2, n);
    for (std::size_t b = 0; b < 2; ++b)
      if (t.saved.data != nullptr)
        load(t.saved, static_cast<std::int64_t>(b) * f.inner + i, z[b]);
      else
        inner_product<T>(t.x, {w[b], f.hidden, f.inner}, i, z[b], t.blocks);
    inner_gradient<T>(t, {w[2], f.inner, f.hidden}, i, h);
    silu_gradients(z[0], z[1], h);
    add_weight_gradient<T>(t, h, t.gy, rows(down, i, n));
    for (std::size_t b = 0; b < 2; ++b)
      add_input_gradients<T>(t, z[b], i, {w[b], f.hidden, f.inner}, {grads[b], f.hidden, f.inner});
  });
}

template <class T>
void backward(gptoss_expert<T> const& f, std::array<T const*, 4> w, std::array<T*, 4> grads,
              gradient_tile<T> const& t) {
  matrix_ref<T const> const gate_up(w[0], f.hidden, 2 * f.inner);
  matrix_ref<T> const down(grads[2], f.inner, f.hidden);
  set_rows(t.gx, T{0});
  add_bias_gradient<T>(t, t.gy, grads[3]);
  for_chunks<T>(f.inner, [&](std::int64_t i, std::int64_t n) {
    auto const z = columns(t.inner, 0, 2 * n);
    auto const h = part(f, t.inner, 2, n);
    if (t.saved.data != nullptr)
      load(t.saved, 2 * i, z);
    else
      inner_product<T>(t.x, gate_up, w[1], 2 * i, z, t.blocks);
    inner_gradient<T>(t, {w[2], f.inner, f.hidden}, i, h);
    clamped_gradients(z, h, static_cast<T>(f.alpha), static_cast<T>(f.limit));
    add_weight_gradient<T>(t, h, t.gy, rows(down, i, n));
    add_bias_gradient<T>(t, z, grads[1] + 2 * i);
    add_input_gradients<T>(t, z, 2 * i, gate_up, {grads[0], f.hidden, 2 * f.inner});
  });
}

}  // namespace llep::eigen::detail
