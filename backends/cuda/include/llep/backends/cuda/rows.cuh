// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// What is done with whole rows. A block has a token, or a part of a chunk.

// Words that a thread loads before it uses the first: what keeps memory busy.
inline constexpr int words_under_way = 4;

/// Row i / K goes to slot i, for i < n: x is read once, whatever K. Block t has token t.
template <class Word>
__global__ void pack_tokens(std::byte const* x, std::int64_t words, byte_count stride_bytes,
                            std::int64_t choices, std::int32_t const* slots, std::int64_t n,
                            Word* out) {
  std::int64_t const first = blockIdx.x * choices;
  std::int64_t const end = first + choices < n ? first + choices : n;
  auto const* const from = reinterpret_cast<Word const*>(x + blockIdx.x * stride_bytes);
  for_words<words_under_way>(words, [&](std::int64_t c, int here, std::int64_t step) {
    Word held[words_under_way];
#pragma unroll
    for (int u = 0; u < words_under_way; ++u)
      if (u < here) held[u] = from[c + u * step];
    for (std::int64_t i = first; i < end; ++i) {
      Word* const to = out + slots[i] * words + c;
#pragma unroll
      for (int u = 0; u < words_under_way; ++u)
        if (u < here) to[u * step] = held[u];
    }
  });
}

/// Chunks may be long and few: `parts` blocks share one.
template <class Word>
__global__ void move_chunks(Word const* src, std::int64_t words, row_chunk const* chunks,
                            std::int64_t parts, Word* dst) {
  row_chunk const chunk = chunks[blockIdx.x / parts];
  std::int64_t const part = blockIdx.x % parts;
  std::int64_t const begin = chunk.rows * words * part / parts;
  std::int64_t const end = chunk.rows * words * (part + 1) / parts;
  Word const* const from = src + chunk.from * words + begin;
  Word* const to = dst + chunk.to * words + begin;
  for_words<words_under_way>(end - begin, [&](std::int64_t c, int here, std::int64_t step) {
    Word held[words_under_way];
#pragma unroll
    for (int u = 0; u < words_under_way; ++u)
      if (u < here) held[u] = from[c + u * step];
#pragma unroll
    for (int u = 0; u < words_under_way; ++u)
      if (u < here) to[c + u * step] = held[u];
  });
}

/// The gates of a matrix, and the ones that `sum` multiplies by.
template <class Sum, class Gate>
struct matrix_gates {
  matrix_ref<Gate const> gates;
  [[nodiscard]] __device__ Sum operator()(std::int64_t t, std::int64_t k) const {
    return static_cast<Sum>(gates.data[t * gates.stride + k]);
  }
};
template <class Sum>
struct no_gates {
  [[nodiscard]] __device__ Sum operator()(std::int64_t, std::int64_t) const { return Sum{1}; }
};

/// out[t] = sum over k, ascending, of gates(t, k) x y[slots[t x K + k]]. Block t has token t.
template <class Vector, class Row, class Gates>
__global__ void add_rows(Row const* y, std::int32_t const* slots, std::int64_t choices, Gates gates,
                         matrix_ref<Row> out) {
  constexpr auto width = static_cast<int>(sizeof(Vector) / sizeof(Row));
  constexpr int rows_under_way = 4;
  std::int64_t const t = blockIdx.x;
  std::int32_t const* const mine = slots + t * choices;
  for (std::int64_t c = threadIdx.x; c < out.cols / width; c += blockDim.x) {
    accumulator_t<Row> sum[std::size_t{width}] = {};
    for (std::int64_t k = 0; k < choices; k += rows_under_way) {
      Vector held[rows_under_way];
#pragma unroll
      for (int u = 0; u < rows_under_way; ++u)
        if (k + u < choices)
          held[u] = reinterpret_cast<Vector const*>(y + mine[k + u] * out.cols)[c];
#pragma unroll
      for (int u = 0; u < rows_under_way; ++u) {
        if (k + u >= choices) break;
        accumulator_t<Row> const gate = gates(t, k + u);
        for (int j = 0; j < width; ++j) sum[j] += gate * loaded(held[u].at[j]);
      }
    }
    Vector result;
    for (int j = 0; j < width; ++j) result.at[j] = stored<Row>(sum[j]);
    reinterpret_cast<Vector*>(out.data + t * out.stride)[c] = result;
  }
}

/// out row slots[t x K + k] = gates[t][k] x g[t]: g is read once. Block t has token t.
template <class Vector, class Row, class Gate>
__global__ void scale_tokens(matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                             std::int32_t const* slots, Row* out) {
  constexpr auto width = static_cast<int>(sizeof(Vector) / sizeof(Row));
  std::int64_t const t = blockIdx.x;
  for (std::int64_t c = threadIdx.x; c < g.cols / width; c += blockDim.x) {
    Vector const from = reinterpret_cast<Vector const*>(g.data + t * g.stride)[c];
    for (std::int64_t k = 0; k < gates.cols; ++k) {
      auto const gate = static_cast<accumulator_t<Row>>(gates.data[t * gates.stride + k]);
      Vector result;
      for (int j = 0; j < width; ++j) result.at[j] = stored<Row>(gate * loaded(from.at[j]));
      reinterpret_cast<Vector*>(out + slots[t * gates.cols + k] * g.cols)[c] = result;
    }
  }
}

/// out[t][k] = g[t] y[slots[t x K + k]], a warp each. A lane has the elements of every 32nd 16
/// bytes, whatever it reads at once, and lanes are added up as a tree: the order hangs on H alone.
template <class Vector, class Row, class Gate>
__global__ void multiply_rows(Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                              matrix_ref<Gate> out) {
  constexpr auto width = static_cast<int>(sizeof(Vector) / sizeof(Row));
  constexpr int strip = per_16_bytes<Row>;
  std::int64_t const i =
      (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / warp_size;  // its warps are whole
  if (i >= out.rows * out.cols) return;
  std::int64_t const t = i / out.cols;
  Row const* const a = g.data + t * g.stride;
  Row const* const b = y + slots[i] * g.cols;
  int const lane = static_cast<int>(threadIdx.x) % warp_size;
  accumulator_t<Row> sum = 0;
  for (std::int64_t begin = lane * strip; begin < g.cols; begin += warp_size * strip) {
    std::int64_t const end = begin + strip < g.cols ? begin + strip : g.cols;
    for (std::int64_t h = begin; h < end; h += width) {
      Vector const left = *reinterpret_cast<Vector const*>(a + h);
      Vector const right = *reinterpret_cast<Vector const*>(b + h);
      for (int j = 0; j < width; ++j) sum += loaded(left.at[j]) * loaded(right.at[j]);
    }
  }
  for (int apart = warp_size / 2; apart > 0; apart /= 2)
    sum += __shfl_down_sync(0xFFFFFFFFU, sum, static_cast<unsigned>(apart));
  if (lane == 0) out.data[t * out.stride + i % out.cols] = static_cast<Gate>(sum);
}

/// dst[i] += src[i], for i < n vectors.
template <class Vector>
__global__ void add_elements(Vector const* src, std::int64_t n, Vector* dst) {
  constexpr auto width = static_cast<int>(sizeof(Vector) / sizeof(src->at[0]));
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  Vector const from = src[i];
  Vector to = dst[i];
  for (int j = 0; j < width; ++j) to.at[j] += from.at[j];
  dst[i] = to;
}

}  // namespace llep::cuda::detail
