// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstring>

// Streams are threads, so what is atomic there must be here. What the threads of all devices see
// at once (..._system) and what a block does (..._block) is the same here.

namespace cuda_on_host {

/// *p = next(*p), at once; returns what was there.
template <class T, class Next>
T update(T* p, Next const& next) {
  std::atomic_ref<T> const value(*p);
  T old = value.load(std::memory_order_relaxed);
  while (!value.compare_exchange_weak(old, next(old))) {
  }
  return old;
}

}  // namespace cuda_on_host

// NOLINTBEGIN: names as in CUDA
#define CUDA_ON_HOST_ATOMIC_OP(name, T, expression)                                    \
  inline T name(T* p, T v) {                                                           \
    return cuda_on_host::update(p, [v](T old) { return static_cast<T>(expression); }); \
  }                                                                                    \
  inline T name##_system(T* p, T v) { return name(p, v); }                             \
  inline T name##_block(T* p, T v) { return name(p, v); }
#define CUDA_ON_HOST_ATOMICS(T)                                                          \
  CUDA_ON_HOST_ATOMIC_OP(atomicMin, T, v < old ? v : old)                                \
  CUDA_ON_HOST_ATOMIC_OP(atomicMax, T, old < v ? v : old)                                \
  CUDA_ON_HOST_ATOMIC_OP(atomicAnd, T, old& v)                                           \
  CUDA_ON_HOST_ATOMIC_OP(atomicOr, T, old | v)                                           \
  CUDA_ON_HOST_ATOMIC_OP(atomicXor, T, old ^ v)                                          \
  CUDA_ON_HOST_ATOMIC_OP(atomicExch, T, (static_cast<void>(old), v))                     \
  inline T atomicCAS(T* p, T expected, T v) {                                            \
    std::atomic_ref<T>(*p).compare_exchange_strong(expected, v);                         \
    return expected;                                                                     \
  }                                                                                      \
  inline T atomicCAS_system(T* p, T expected, T v) { return atomicCAS(p, expected, v); } \
  inline T atomicCAS_block(T* p, T expected, T v) { return atomicCAS(p, expected, v); }

CUDA_ON_HOST_ATOMICS(int)
CUDA_ON_HOST_ATOMICS(unsigned)
CUDA_ON_HOST_ATOMICS(unsigned long long)
CUDA_ON_HOST_ATOMIC_OP(atomicAdd, int, static_cast<unsigned>(old) + static_cast<unsigned>(v))
CUDA_ON_HOST_ATOMIC_OP(atomicAdd, unsigned, old + v)
CUDA_ON_HOST_ATOMIC_OP(atomicAdd, unsigned long long, old + v)
CUDA_ON_HOST_ATOMIC_OP(atomicAdd, float, old + v)
CUDA_ON_HOST_ATOMIC_OP(atomicAdd, double, old + v)
CUDA_ON_HOST_ATOMIC_OP(atomicSub, int, static_cast<unsigned>(old) - static_cast<unsigned>(v))
CUDA_ON_HOST_ATOMIC_OP(atomicSub, unsigned, old - v)
CUDA_ON_HOST_ATOMIC_OP(atomicInc, unsigned, old >= v ? 0U : old + 1)
CUDA_ON_HOST_ATOMIC_OP(atomicDec, unsigned, old == 0 || old > v ? v : old - 1)
CUDA_ON_HOST_ATOMIC_OP(atomicExch, float, (static_cast<void>(old), v))
#undef CUDA_ON_HOST_ATOMICS
#undef CUDA_ON_HOST_ATOMIC_OP

inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_block() { __threadfence(); }
inline void __threadfence_system() { __threadfence(); }

template <class T>
T __ldg(T const* p) {
  return *p;
}
template <class T>
T __ldcs(T const* p) {
  return *p;
}
template <class T>
T __ldcg(T const* p) {
  return *p;
}
template <class T>
T __ldca(T const* p) {
  return *p;
}
template <class T>
T __ldcv(T const* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T v) {
  *p = v;
}
template <class T>
void __stcg(T* p, T v) {
  *p = v;
}
template <class T>
void __stwb(T* p, T v) {
  *p = v;
}
template <class T>
void __stwt(T* p, T v) {
  *p = v;
}
// NOLINTEND
