// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <llep/shape.hpp>

namespace llep::cuda {

using bfloat16 = __nv_bfloat16;
using half = __half;

/// What rows and weights may be made of; float is what the 16-bit ones are computed in.
template <class T>
concept row_element = std::same_as<T, float> || std::same_as<T, double> ||
                      std::same_as<T, bfloat16> || std::same_as<T, half>;
template <class T>
concept real_element = std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept index_element = std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;

namespace detail {

/// A stored element as a number to compute with.
template <class T>
[[nodiscard]] __host__ __device__ inline accumulator_t<T> loaded(T x) {
  return x;
}
template <>
[[nodiscard]] __host__ __device__ inline float loaded(bfloat16 x) {
  return __bfloat162float(x);
}
template <>
[[nodiscard]] __host__ __device__ inline float loaded(half x) {
  return __half2float(x);
}

/// And back, rounded to nearest, ties to even.
template <class T>
[[nodiscard]] __host__ __device__ inline T stored(accumulator_t<T> x) {
  return x;
}
template <>
[[nodiscard]] __host__ __device__ inline bfloat16 stored<bfloat16>(float x) {
  return __float2bfloat16(x);
}
template <>
[[nodiscard]] __host__ __device__ inline half stored<half>(float x) {
  return __float2half(x);
}

/// N elements that are read and written at once.
template <class T, int N>
struct alignas(sizeof(T) * N) vector {
  T at[std::size_t{N}];
};

/// Elements in 16 bytes.
template <class T>
inline constexpr int per_16_bytes = static_cast<int>(16 / sizeof(T));

}  // namespace detail

}  // namespace llep::cuda
