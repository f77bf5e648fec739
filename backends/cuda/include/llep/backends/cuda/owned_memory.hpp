// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// Memory of a device that its peers reach, too, when they have been given access.
class owned_memory {
 public:
  owned_memory(int device, byte_count bytes) {
    on_device const here(device);
    check(cudaMalloc(&data_, static_cast<std::size_t>(bytes)), "cudaMalloc");
  }
  owned_memory(owned_memory&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  owned_memory& operator=(owned_memory&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~owned_memory() {  // waits for the device
    if (data_ != nullptr) static_cast<void>(cudaFree(data_));
  }

  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  void* data_ = nullptr;
};

/// Fills a list in memory of `device`; the host waits.
template <class T>
void upload(int device, T* to, std::span<T const> from) {
  on_device const here(device);
  check(cudaMemcpy(to, from.data(), from.size_bytes(), cudaMemcpyHostToDevice), "cudaMemcpy");
  // From pageable memory cudaMemcpy may return before the list is there, and queues that don't wait
  // for the default stream would read it too early.
  check(cudaStreamSynchronize(nullptr), "wait for an upload");
}

/// Lets kernels of `device` reach the memory of `peer`.
/// @throws llep::error (invalid_argument) where the machine has no way for that.
inline void give_access(int device, int peer) {
  if (device == peer) return;
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, device, peer), "cudaDeviceCanAccessPeer");
  expects(can != 0, "cuda: a GPU of the group doesn't reach the memory of another one");
  on_device const here(device);
  cudaError_t const status = cudaDeviceEnablePeerAccess(peer, 0);
  if (status == cudaErrorPeerAccessAlreadyEnabled)
    static_cast<void>(cudaGetLastError());  // that is what was wanted
  else
    check(status, "cudaDeviceEnablePeerAccess");
}

}  // namespace llep::cuda::detail
