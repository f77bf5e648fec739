// SPDX-License-Identifier: Apache-2.0
#pragma once

// CUDA's small vectors, with its alignments: a load of one of them is a load of all of it there.

#define CUDA_ON_HOST_VECTOR_2(name, T)               \
  struct alignas(2 * sizeof(T)) name##2 { T x, y; }; \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }
#define CUDA_ON_HOST_VECTOR_3(name, T) \
  struct name##3 { T x, y, z; };       \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }
#define CUDA_ON_HOST_VECTOR_4(name, T)                                          \
  struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define CUDA_ON_HOST_VECTORS(name, T) \
  CUDA_ON_HOST_VECTOR_2(name, T)      \
  CUDA_ON_HOST_VECTOR_3(name, T)      \
  CUDA_ON_HOST_VECTOR_4(name, T)

CUDA_ON_HOST_VECTORS(char, signed char)
CUDA_ON_HOST_VECTORS(uchar, unsigned char)
CUDA_ON_HOST_VECTORS(short, short)
CUDA_ON_HOST_VECTORS(ushort, unsigned short)
CUDA_ON_HOST_VECTORS(int, int)
CUDA_ON_HOST_VECTORS(uint, unsigned int)
CUDA_ON_HOST_VECTORS(float, float)
CUDA_ON_HOST_VECTOR_2(longlong, long long)
CUDA_ON_HOST_VECTOR_2(ulonglong, unsigned long long)
CUDA_ON_HOST_VECTOR_2(double, double)

#undef CUDA_ON_HOST_VECTORS
#undef CUDA_ON_HOST_VECTOR_4
#undef CUDA_ON_HOST_VECTOR_3
#undef CUDA_ON_HOST_VECTOR_2

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1)
      : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
