// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <math.h>  // CUDA code calls the global ones

#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>

// NOLINTBEGIN: names as in CUDA

inline int __popc(unsigned v) { return std::popcount(v); }
inline int __popcll(unsigned long long v) { return std::popcount(v); }
inline int __ffs(int v) { return v == 0 ? 0 : std::countr_zero(static_cast<unsigned>(v)) + 1; }
inline int __ffsll(long long v) {
  return v == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(v)) + 1;
}
inline int __clz(int v) { return std::countl_zero(static_cast<unsigned>(v)); }
inline int __clzll(long long v) { return std::countl_zero(static_cast<unsigned long long>(v)); }
inline unsigned __brev(unsigned v) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= (v >> i & 1U) << (31 - i);
  return r;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((std::uint64_t{a} * b) >> 32U);
}
inline int __mul24(int a, int b) { return a * b; }

inline unsigned __float_as_uint(float v) { return std::bit_cast<unsigned>(v); }
inline int __float_as_int(float v) { return std::bit_cast<int>(v); }
inline float __uint_as_float(unsigned v) { return std::bit_cast<float>(v); }
inline float __int_as_float(int v) { return std::bit_cast<float>(v); }
inline long long __double_as_longlong(double v) { return std::bit_cast<long long>(v); }
inline double __longlong_as_double(long long v) { return std::bit_cast<double>(v); }

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
// What the compiler may not contract to fma there. Nor may it here: asm hides the product.
inline float __fmul_rn(float a, float b) {
  float product = a * b;
  asm("" : "+m"(product));
  return product;
}
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline double __dmul_rn(double a, double b) {
  double product = a * b;
  asm("" : "+m"(product));
  return product;
}
inline double __dadd_rn(double a, double b) { return a + b; }
inline float __fsqrt_rn(float v) { return std::sqrt(v); }
inline float __frcp_rn(float v) { return 1.0F / v; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float v) { return v > 0.0F ? (v < 1.0F ? v : 1.0F) : 0.0F; }
inline float rsqrtf(float v) { return 1.0F / std::sqrt(v); }
inline double rsqrt(double v) { return 1.0 / std::sqrt(v); }
inline int __float2int_rn(float v) { return static_cast<int>(std::nearbyint(v)); }
inline int __float2int_rz(float v) { return static_cast<int>(v); }
inline float __int2float_rn(int v) { return static_cast<float>(v); }

// The C library declares these names, but doesn't have them for programs.
#define __expf(v) (::expf(v))
#define __logf(v) (::logf(v))
#define __log2f(v) (::log2f(v))
#define __powf(a, b) (::powf(a, b))
#define __sinf(v) (::sinf(v))
#define __cosf(v) (::cosf(v))
#define __tanhf(v) (::tanhf(v))

inline long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

// CUDA's min and max of numbers, in the global namespace.
#define CUDA_ON_HOST_MIN_MAX(A, B, R)                        \
  inline R min(A a, B b) {                                   \
    auto const x = static_cast<R>(a), y = static_cast<R>(b); \
    return y < x ? y : x;                                    \
  }                                                          \
  inline R max(A a, B b) {                                   \
    auto const x = static_cast<R>(a), y = static_cast<R>(b); \
    return x < y ? y : x;                                    \
  }
CUDA_ON_HOST_MIN_MAX(int, int, int)
CUDA_ON_HOST_MIN_MAX(unsigned, unsigned, unsigned)
CUDA_ON_HOST_MIN_MAX(int, unsigned, unsigned)
CUDA_ON_HOST_MIN_MAX(unsigned, int, unsigned)
CUDA_ON_HOST_MIN_MAX(long, long, long)
CUDA_ON_HOST_MIN_MAX(unsigned long, unsigned long, unsigned long)
CUDA_ON_HOST_MIN_MAX(long, unsigned long, unsigned long)
CUDA_ON_HOST_MIN_MAX(unsigned long, long, unsigned long)
CUDA_ON_HOST_MIN_MAX(long long, long long, long long)
CUDA_ON_HOST_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
CUDA_ON_HOST_MIN_MAX(long long, unsigned long long, unsigned long long)
CUDA_ON_HOST_MIN_MAX(unsigned long long, long long, unsigned long long)
#undef CUDA_ON_HOST_MIN_MAX
inline float min(float a, float b) { return ::fminf(a, b); }
inline float max(float a, float b) { return ::fmaxf(a, b); }
inline double min(double a, double b) { return ::fmin(a, b); }
inline double max(double a, double b) { return ::fmax(a, b); }
inline double min(float a, double b) { return ::fmin(a, b); }
inline double max(float a, double b) { return ::fmax(a, b); }
inline double min(double a, float b) { return ::fmin(a, b); }
inline double max(double a, float b) { return ::fmax(a, b); }
// NOLINTEND
