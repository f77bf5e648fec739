// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/status.hpp>
#include <llep/shape.hpp>

namespace llep::bench {

/// Numbers in (-scale, scale), evenly; a position's hangs on seed and position alone. Not zeros:
/// products of those run faster than any that are worth computing.
template <class T>
__global__ void fill_randomly(T* out, std::int64_t n, std::uint64_t seed, float scale) {
  std::int64_t const step = std::int64_t{gridDim.x} * blockDim.x;
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) {
    std::uint64_t z = seed + static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    float const unit = static_cast<float>((z ^ (z >> 31U)) >> 40U) * 0x1p-24F;  // [0, 1)
    out[i] = cuda::detail::stored<T>(static_cast<accumulator_t<T>>(scale * (2 * unit - 1)));
  }
}

/// From the host's memory to the GPU's, all there when it returns: cudaMemcpy alone may return
/// earlier, and our queues don't wait for it.
inline void upload(void* to, void const* from, std::size_t bytes) {
  if (bytes == 0) return;
  cuda::check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  cuda::check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
}

/// An array on the GPU.
template <class T>
class device_array {
 public:
  device_array() = default;
  explicit device_array(std::int64_t n) : size_(n) {
    if (n > 0) cuda::check(cudaMalloc(&data_, bytes()), "cudaMalloc");
  }
  explicit device_array(std::vector<T> const& values) : device_array(std::ssize(values)) {
    upload(data_, values.data(), bytes());
  }
  device_array(device_array&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  device_array& operator=(device_array&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~device_array() { static_cast<void>(cudaFree(data_)); }

  [[nodiscard]] T* data() const { return static_cast<T*>(data_); }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }

 private:
  void* data_ = nullptr;
  std::int64_t size_ = 0;
};

template <class T>
void randomize(cuda::queue& q, T* out, std::int64_t n, std::uint64_t seed, float scale = 1) {
  constexpr std::int64_t most_blocks = 4096;
  constexpr int threads = 256;
  auto const blocks = (std::min)(cuda::detail::ceil_div(n, threads), most_blocks);
  cuda::detail::launch(q, {blocks, threads}, fill_randomly<T>, out, n, seed, scale);
}
template <class T>
[[nodiscard]] device_array<T> random_array(cuda::queue& q, std::int64_t n, std::uint64_t seed,
                                           float scale = 1) {
  device_array<T> made(n);
  randomize(q, made.data(), n, seed, scale);
  return made;
}

/// Bytes that can still be had, less what the driver and libraries may want.
[[nodiscard]] inline byte_count free_bytes() {
  std::size_t free = 0;
  std::size_t total = 0;
  cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  constexpr byte_count reserve = byte_count{1} << 30U;
  return static_cast<byte_count>(free) - reserve;
}

}  // namespace llep::bench
