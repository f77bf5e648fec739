// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <deque>
#include <utility>

#include <llep/backends/cuda/blas.hpp>
#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

namespace detail {

/// Memory of a source, for what is on one stream.
template <memory_source Memory>
class stream_memory {
 public:
  stream_memory(Memory& source, byte_count bytes, cudaStream_t stream)
      : source_(source), stream_(stream), data_(source.allocate(bytes, stream)) {}
  stream_memory(stream_memory const&) = delete;
  stream_memory& operator=(stream_memory const&) = delete;
  ~stream_memory() { source_.deallocate(data_, stream_); }

  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  Memory& source_;
  cudaStream_t stream_;
  void* data_;
};

/// What NVIDIA advises a workspace of cuBLAS to be, on the current device.
[[nodiscard]] inline byte_count advised_workspace_bytes() {
  constexpr byte_count mib = byte_count{1} << 20U;
  constexpr int hopper = 9;
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, current_device()),
        "cudaDeviceGetAttribute");
  return major >= hopper ? 32 * mib : 4 * mib;
}

/// A stream that products run on, with its handle.
template <memory_source Memory>
struct blas_lane {
  explicit blas_lane(Memory& memory, byte_count bytes)
      : workspace(memory, bytes, side.stream()), handle(side.stream(), workspace.data(), bytes) {}

  queue side;
  event done;
  bool in_use = false;  // since the fork
  stream_memory<Memory> workspace;
  blas_handle handle;
};

}  // namespace detail

/// Side streams of a device, each with a cuBLAS handle and a workspace of 32 MiB (4 MiB before
/// Hopper): what kernels that one thread uses may share, one for each layer of a model, say.
///
/// The products of a call leave its queue for them, and the queue waits for what they put there, on
/// the device. So calls on whatever queues may follow each other.
///
/// Threads   one at a time; calls of kernels that share it take turns.
template <memory_source Memory = pool_memory>
class blas_streams {
 public:
  /// On the current device.
  /// @throws llep::error (invalid_argument) for count < 1, (device) where cuBLAS can't be started,
  ///         std::bad_alloc
  explicit blas_streams(int count = 4, Memory memory = Memory())
      : device_(current_device()), memory_(std::move(memory)) {
    expects(count >= 1, "cuda: products need a stream at least");
    auto const bytes = detail::advised_workspace_bytes();
    for (int i = 0; i < count; ++i) lanes_.emplace_back(memory_, bytes);
  }
  blas_streams(blas_streams const&) = delete;
  blas_streams& operator=(blas_streams const&) = delete;
  ~blas_streams() {
    try {
      on_device const here(device_);
      lanes_.clear();
    } catch (...) {  // the device is broken: they go as they are
    }
  }

  [[nodiscard]] int device() const noexcept { return device_; }

  /// f(lane) puts work on lanes, which begin when q is here; what comes on q later waits for it.
  /// `lane(i)` is the same for the same i, and counts modulo the number of streams.
  template <class F>
  void fork(queue& q, F f) {
    check(cudaEventRecord(forked_.handle(), q.stream()), "cudaEventRecord");
    try {
      f([this](std::size_t i) -> detail::blas_lane<Memory>& { return enter(i); });
    } catch (...) {
      join_quietly(q);  // what did start still reads the caller's memory
      throw;
    }
    join(q);
  }

 private:
  detail::blas_lane<Memory>& enter(std::size_t i) {
    auto& lane = lanes_[i % lanes_.size()];
    if (!lane.in_use) {
      check(cudaStreamWaitEvent(lane.side.stream(), forked_.handle(), 0), "cudaStreamWaitEvent");
      lane.in_use = true;
    }
    return lane;
  }
  // Every lane that was used, also where one before it fails: q waits for what can be waited for.
  void join(queue& q) {
    cudaError_t first = cudaSuccess;
    auto const note = [&first](cudaError_t status) {
      if (first == cudaSuccess) first = status;
    };
    for (auto& lane : lanes_) {
      if (!std::exchange(lane.in_use, false)) continue;
      note(cudaEventRecord(lane.done.handle(), lane.side.stream()));
      note(cudaStreamWaitEvent(q.stream(), lane.done.handle(), 0));
    }
    check(first, "join of products' streams");
  }
  void join_quietly(queue& q) noexcept {
    try {
      join(q);
    } catch (...) {  // there is a cause already
    }
  }

  int device_;
  Memory memory_;
  event forked_;
  std::deque<detail::blas_lane<Memory>> lanes_;  // they stay where they are
};

}  // namespace llep::cuda
