// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands in for the toolkit's: see README.md. Arithmetic is in float, rounded once.

#include "cuda_on_host/half_bits.hpp"
#include "cuda_on_host/keywords.hpp"
#include "cuda_on_host/vector_types.hpp"

// NOLINTBEGIN: names as in CUDA
struct __half_raw {
  unsigned short x;
};

struct __half {
  unsigned short bits;

  __half() = default;
  __half(float v) : bits(cuda_on_host::to_half(v)) {}
  __half(double v) : __half(static_cast<float>(v)) {}
  explicit __half(int v) : __half(static_cast<float>(v)) {}
  __half(__half_raw raw) : bits(raw.x) {}
  operator float() const { return cuda_on_host::from_half(bits); }
  operator __half_raw() const { return {bits}; }
};
struct alignas(4) __half2 {
  __half x, y;
  __half2() = default;
  __half2(__half a, __half b) : x(a), y(b) {}
};
using half = __half;
using half2 = __half2;

inline __half __float2half(float v) { return __half(v); }
inline __half __float2half_rn(float v) { return __half(v); }
inline __half __double2half(double v) { return __half(v); }
inline float __half2float(__half v) { return static_cast<float>(v); }
inline __half2 __floats2half2_rn(float a, float b) { return {__half(a), __half(b)}; }
inline __half2 __float22half2_rn(float2 v) { return {__half(v.x), __half(v.y)}; }
inline float2 __half22float2(__half2 v) {
  return {static_cast<float>(v.x), static_cast<float>(v.y)};
}
inline unsigned short __half_as_ushort(__half v) { return v.bits; }
inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
// NOLINTEND

static_assert(sizeof(__half) == 2 && sizeof(__half2) == 4);
