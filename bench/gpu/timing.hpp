// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/shape.hpp>

namespace llep::bench {

/// A CUDA event that keeps time.
class time_mark {
 public:
  time_mark() { cuda::check(cudaEventCreate(&event_), "cudaEventCreate"); }
  time_mark(time_mark&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  time_mark& operator=(time_mark&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~time_mark() {
    if (event_ != nullptr) static_cast<void>(cudaEventDestroy(event_));
  }

  void record(cuda::queue& q) {
    cuda::check(cudaEventRecord(event_, q.stream()), "cudaEventRecord");
  }
  /// Both have been reached.
  [[nodiscard]] double us_since(time_mark const& before) const {
    float ms = 0;
    cuda::check(cudaEventElapsedTime(&ms, before.event_, event_), "cudaEventElapsedTime");
    return 1e3 * static_cast<double>(ms);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

inline void finish(cuda::queue& q) {
  cuda::check(cudaStreamSynchronize(q.stream()), "wait for the GPU");
}

/// The middle one.
[[nodiscard]] inline double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Microseconds of the host that f() takes, the middle of a few.
template <class F>
[[nodiscard]] double host_us(int rounds, F f) {
  std::vector<double> taken;
  for (int round = -1; round < rounds; ++round) {
    auto const before = std::chrono::steady_clock::now();
    f();
    std::chrono::duration<double, std::micro> const us = std::chrono::steady_clock::now() - before;
    if (round >= 0) taken.push_back(us.count());
  }
  return median(std::move(taken));
}

/// What goes before every sample: a copy that is larger than the GPU's cache. What is measured
/// finds nothing of its own there, and the host has put all of it on the queue by the time the GPU
/// comes to it, so that launches don't show.
class cache_sweep {
 public:
  explicit cache_sweep(byte_count bytes) : bytes_(static_cast<std::size_t>(bytes)) {
    cuda::check(cudaMalloc(&memory_, 2 * bytes_), "cudaMalloc");
    cuda::check(cudaMemset(memory_, 0x3C, 2 * bytes_), "cudaMemset");
  }
  cache_sweep(cache_sweep const&) = delete;
  cache_sweep& operator=(cache_sweep const&) = delete;
  ~cache_sweep() { static_cast<void>(cudaFree(memory_)); }

  void operator()(cuda::queue& q) const {
    auto* const half = static_cast<char*>(memory_) + bytes_;
    cuda::check(cudaMemcpyAsync(half, memory_, bytes_, cudaMemcpyDeviceToDevice, q.stream()),
                "cudaMemcpyAsync");
  }

 private:
  std::size_t bytes_;
  void* memory_ = nullptr;
};

/// Medians of what calls take on a queue, each of several tasks by turns, so that all see the same
/// GPU. Each runs once before. Tasks are called with the number of the round.
template <class... Tasks>
[[nodiscard]] std::vector<double> medians_us(cuda::queue& q, cache_sweep const& sweep, int rounds,
                                             Tasks... tasks) {
  constexpr std::size_t count = sizeof...(Tasks);
  std::vector<std::vector<double>> samples(count);
  time_mark before;
  time_mark after;
  for (int round = -1; round < rounds; ++round) {
    std::size_t task = 0;
    auto const sample = [&](auto& f) {
      sweep(q);
      before.record(q);
      f((std::max)(round, 0));
      after.record(q);
      finish(q);
      if (round >= 0) samples[task].push_back(after.us_since(before));
      ++task;
    };
    (sample(tasks), ...);
  }
  std::vector<double> all;
  for (auto& list : samples) all.push_back(median(std::move(list)));
  return all;
}

}  // namespace llep::bench
