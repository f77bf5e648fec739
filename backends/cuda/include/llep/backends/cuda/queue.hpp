// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <utility>

#include <llep/backends/cuda/status.hpp>

namespace llep::cuda {

/// The calling thread's current device.
[[nodiscard]] inline int current_device() {
  int ordinal = 0;
  check(cudaGetDevice(&ordinal), "cudaGetDevice");
  return ordinal;
}

/// Makes a device the thread's current one, and the one before again at the end.
class on_device {
 public:
  explicit on_device(int ordinal) : before_(current_device()), changed_(before_ != ordinal) {
    if (changed_) check(cudaSetDevice(ordinal), "cudaSetDevice");
  }
  on_device(on_device const&) = delete;
  on_device& operator=(on_device const&) = delete;
  ~on_device() {
    if (changed_) static_cast<void>(cudaSetDevice(before_));  // it was current before
  }

 private:
  int before_;
  bool changed_;
};

/// A CUDA stream: the user's, which stays the user's, or one of its own.
class queue {
 public:
  /// Borrows `stream`, which is of the current device where CUDA is too old to tell (before 12.8),
  /// and where it is 0.
  explicit queue(cudaStream_t stream) : stream_(stream), device_(current_device()) {
#if CUDART_VERSION >= 12080
    if (stream != nullptr) check(cudaStreamGetDevice(stream, &device_), "cudaStreamGetDevice");
#endif
  }
  /// A stream of its own on the current device, that waits for no other.
  queue() : device_(current_device()), owned_(true) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  queue(queue&& other) noexcept
      : stream_(other.stream_),
        device_(other.device_),
        owned_(std::exchange(other.owned_, false)) {}
  queue& operator=(queue&& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(device_, other.device_);
    std::swap(owned_, other.owned_);
    return *this;
  }
  ~queue() {  // CUDA lets what is on it finish
    if (owned_) static_cast<void>(cudaStreamDestroy(stream_));
  }

  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }
  [[nodiscard]] int device() const noexcept { return device_; }

 private:
  cudaStream_t stream_ = nullptr;
  int device_;
  bool owned_ = false;
};

/// A CUDA event of the current device, that keeps no time.
class event {
 public:
  event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate"); }
  event(event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
  event& operator=(event&& other) noexcept {
    std::swap(event_, other.event_);
    return *this;
  }
  ~event() {
    if (event_ != nullptr) static_cast<void>(cudaEventDestroy(event_));
  }

  [[nodiscard]] cudaEvent_t handle() const noexcept { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace llep::cuda
