// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <functional>
#include <thread>
#include <utility>

#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// A device's parts that stay where they are when it is moved: where its memory comes from, scratch
/// that queues take in turns, and what is called while the host waits.
template <memory_source Memory>
class device_state {
 public:
  device_state(int ordinal, Memory source) : ordinal_(ordinal), source_(std::move(source)) {}
  device_state(device_state const&) = delete;
  device_state& operator=(device_state const&) = delete;
  ~device_state() { deallocate(scratch_); }

  [[nodiscard]] int ordinal() const noexcept { return ordinal_; }

  /// Memory that any queue may use at once: the host waits for it to be there.
  [[nodiscard]] void* allocate(byte_count bytes) {
    on_device const here(ordinal_);
    void* const p = source_.allocate(bytes, own_.stream());
    cudaError_t const status = cudaStreamSynchronize(own_.stream());
    if (status != cudaSuccess) source_.deallocate(p, own_.stream());
    check(status, "wait for memory");
    return p;
  }
  /// After all work of the device: the host waits for that.
  void deallocate(void* p) noexcept {
    if (p == nullptr) return;
    after_all([&] { source_.deallocate(p, own_.stream()); });
  }

  [[nodiscard]] void* allocate_staging(byte_count bytes) {
    on_device const here(ordinal_);
    void* p = nullptr;
    check(cudaHostAlloc(&p, static_cast<std::size_t>(bytes), cudaHostAllocPortable),
          "cudaHostAlloc");
    return p;
  }
  void deallocate_staging(void* p) noexcept {
    if (p == nullptr) return;
    after_all([&] { static_cast<void>(cudaFreeHost(p)); });
  }

  /// Scratch for what is put on q next, until `release_scratch`; what it held is lost. It grows.
  [[nodiscard]] void* take_scratch(queue& q, byte_count bytes) {
    if (bytes > scratch_bytes_) {
      deallocate(std::exchange(scratch_, nullptr));
      scratch_bytes_ = 0;
      scratch_ = allocate(bytes);
      scratch_bytes_ = bytes;
    }
    check(cudaStreamWaitEvent(q.stream(), free_.handle(), 0), "cudaStreamWaitEvent");
    return scratch_;
  }
  /// Whatever was put on q meanwhile, all of it or a part.
  void release_scratch(queue& q) noexcept {
    static_cast<void>(cudaEventRecord(free_.handle(), q.stream()));  // the next call says what's up
  }

  void set_watch(std::function<void()> watch) { watch_ = std::move(watch); }

  /// The host waits; what the watch throws ends that.
  void sync(event& e) {
    if (!watch_) return check(cudaEventSynchronize(e.handle()), "wait for the device");
    for (;;) {
      cudaError_t const status = cudaEventQuery(e.handle());
      if (status != cudaErrorNotReady) return check(status, "wait for the device");
      static_cast<void>(cudaGetLastError());  // that it isn't ready is nobody's error
      watch_();
      std::this_thread::yield();
    }
  }

 private:
  template <class T>
  [[nodiscard]] static T made_on(int ordinal) {
    on_device const here(ordinal);
    return T();
  }

  // Nothing of the device runs any more. One that is broken says so in its next call.
  template <class F>
  void after_all(F give_back) noexcept {
    try {
      on_device const here(ordinal_);
      static_cast<void>(cudaDeviceSynchronize());
      give_back();
    } catch (...) {  // no device to be made current
    }
  }

  int ordinal_;
  Memory source_;
  queue own_ = made_on<queue>(ordinal_);
  event free_ = made_on<event>(ordinal_);  // the scratch, by whom had it last
  void* scratch_ = nullptr;
  byte_count scratch_bytes_ = 0;
  std::function<void()> watch_;
};

}  // namespace llep::cuda::detail
