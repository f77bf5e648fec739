// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "llep::cuda plans on GPUs of sm_80 or newer: say so to nvcc, -arch=sm_80"
#endif

#include <cstdint>

#include <llep/backends/cuda/launch.cuh>

namespace llep::cuda::detail {

// What a warp or a block does together. Blocks are whole warps; all threads call.

inline constexpr unsigned whole_warp = 0xFFFFFFFFU;

[[nodiscard]] __device__ inline int lane_id() { return static_cast<int>(threadIdx.x) % warp_size; }
[[nodiscard]] __device__ inline int warp_id() { return static_cast<int>(threadIdx.x) / warp_size; }
[[nodiscard]] __device__ inline int warps_here() {
  return static_cast<int>(blockDim.x) / warp_size;
}
[[nodiscard]] __device__ inline unsigned lanes_before() {
  return (1U << static_cast<unsigned>(lane_id())) - 1U;
}

/// Of the values of this lane and those before it.
template <class T>
[[nodiscard]] __device__ inline T warp_inclusive_sum(T value) {
  for (unsigned apart = 1; apart < unsigned{warp_size}; apart *= 2) {
    T const before = __shfl_up_sync(whole_warp, value, apart);
    if (static_cast<unsigned>(lane_id()) >= apart) value += before;
  }
  return value;
}

template <class T>
[[nodiscard]] __device__ inline T warp_sum(T value) {
  for (int apart = warp_size / 2; apart > 0; apart /= 2)
    value += __shfl_xor_sync(whole_warp, value, apart);
  return value;
}

template <class T>
[[nodiscard]] __device__ inline T warp_max(T value) {
  for (int apart = warp_size / 2; apart > 0; apart /= 2) {
    T const other = __shfl_xor_sync(whole_warp, value, apart);
    if (other > value) value = other;
  }
  return value;
}

/// Exclusive sums along a block, of one value a thread and call: later calls go on from the total.
class running_sum {
 public:
  /// In shared memory.
  using memory = std::uint64_t[warp_size + 1];

  __device__ explicit running_sum(memory& sums) : sums_(sums) {}

  [[nodiscard]] __device__ std::uint64_t before(std::uint64_t value) {
    std::uint64_t const here = warp_inclusive_sum(value);
    if (lane_id() == warp_size - 1) sums_[warp_id()] = here;
    __syncthreads();
    if (warp_id() == 0) {
      std::uint64_t const of_warp = lane_id() < warps_here() ? sums_[lane_id()] : 0;
      std::uint64_t const up_to = warp_inclusive_sum(of_warp);
      sums_[lane_id()] = up_to - of_warp;
      if (lane_id() == warp_size - 1) sums_[warp_size] = up_to;
    }
    __syncthreads();
    std::uint64_t const result = total_ + sums_[warp_id()] + here - value;
    total_ += sums_[warp_size];
    __syncthreads();  // all have read before it is used again
    return result;
  }
  [[nodiscard]] __device__ std::uint64_t total() const { return total_; }

 private:
  std::uint64_t* sums_;
  std::uint64_t total_ = 0;
};

/// Sorts keys in shared memory so that they fall: bitonic. n >= 64 is a power of two. Where a
/// pair's distance is 32 at most, a warp's pairs are its own, and only the warp has to wait.
__device__ inline void sort_falling(std::uint64_t* keys, int n) {
  for (int run = 2; run <= n; run *= 2)
    for (int apart = run / 2; apart > 0; apart /= 2) {
      for (int pair = static_cast<int>(threadIdx.x); pair < n / 2;
           pair += static_cast<int>(blockDim.x)) {
        int const low = (pair & ~(apart - 1)) * 2 + (pair & (apart - 1));
        std::uint64_t const a = keys[low];
        std::uint64_t const b = keys[low + apart];
        bool const falls = (low & run) == 0;
        if ((a < b) != falls) continue;
        keys[low] = b;
        keys[low + apart] = a;
      }
      if (apart > warp_size || (apart == 1 && run > warp_size))  // this step's or the next one's
        __syncthreads();
      else
        __syncwarp();
    }
}

}  // namespace llep::cuda::detail
