// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "machine.hpp"
#include "memory.hpp"

// NOLINTBEGIN: names as in CUDA

#define cudaHostAllocDefault 0x00U
#define cudaHostAllocPortable 0x01U
#define cudaHostAllocMapped 0x02U
#define cudaHostAllocWriteCombined 0x04U

struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void* devicePointer;
  void* hostPointer;
};

namespace cuda_on_host {

inline cudaError_t allocate_now(char const* name, void** p, std::size_t bytes,
                                cudaMemoryType type) {
  return call(name, [&] {
    count(&call_counts::mallocs);
    if (auto const error = machine::get().forbid_captures(); error != cudaSuccess) return error;
    return memory::get().allocate(p, bytes, type, detail::mine().device);
  });
}

/// Waits for the device, as kernels may use the memory still.
inline cudaError_t free_now(char const* name, void* p, cudaMemoryType type) {
  return call(name, [&] {
    if (p == nullptr) return cudaSuccess;
    count(&call_counts::frees);
    if (auto const error = machine::get().forbid_captures(); error != cudaSuccess) return error;
    auto const block = memory::get().find(p);
    if (auto const error = memory::get().give_up(p, type); error != cudaSuccess) return error;
    count(&call_counts::implicit_syncs);
    wait_for_device(block.device);
    memory::get().release(p);
    return cudaSuccess;
  });
}

}  // namespace cuda_on_host

inline cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  return cuda_on_host::allocate_now("cudaMalloc", p, bytes, cudaMemoryTypeDevice);
}
inline cudaError_t cudaMallocHost(void** p, std::size_t bytes, unsigned = 0) {
  return cuda_on_host::allocate_now("cudaMallocHost", p, bytes, cudaMemoryTypeHost);
}
inline cudaError_t cudaHostAlloc(void** p, std::size_t bytes, unsigned) {
  return cuda_on_host::allocate_now("cudaHostAlloc", p, bytes, cudaMemoryTypeHost);
}
inline cudaError_t cudaFree(void* p) {
  return cuda_on_host::free_now("cudaFree", p, cudaMemoryTypeDevice);
}
inline cudaError_t cudaFreeHost(void* p) {
  return cuda_on_host::free_now("cudaFreeHost", p, cudaMemoryTypeHost);
}

/// No node of a graph, unlike CUDA's: it fails in a capture.
inline cudaError_t cudaMallocAsync(void** p, std::size_t bytes, cudaStream_t handle) {
  using namespace cuda_on_host;
  return call("cudaMallocAsync", [&] {
    count(&call_counts::async_mallocs);
    cudaStream_t s = nullptr;
    if (auto const error = find_to_wait(handle, s); error != cudaSuccess) return error;
    return memory::get().allocate(p, bytes, cudaMemoryTypeDevice, s->device());
  });
}
inline cudaError_t cudaFreeAsync(void* p, cudaStream_t handle) {
  using namespace cuda_on_host;
  return call("cudaFreeAsync", [&] {
    if (p == nullptr) return cudaSuccess;
    count(&call_counts::frees);
    cudaStream_t s = nullptr;
    if (auto const error = find_to_wait(handle, s); error != cudaSuccess) return error;
    if (auto const error = memory::get().give_up(p, cudaMemoryTypeDevice); error != cudaSuccess)
      return error;
    return put(s, [p] { memory::get().release(p); });
  });
}

template <class T>
cudaError_t cudaMalloc(T** p, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(p), bytes);
}
template <class T>
cudaError_t cudaMallocHost(T** p, std::size_t bytes, unsigned flags = 0) {
  return cudaMallocHost(reinterpret_cast<void**>(p), bytes, flags);
}
template <class T>
cudaError_t cudaHostAlloc(T** p, std::size_t bytes, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(p), bytes, flags);
}
template <class T>
cudaError_t cudaMallocAsync(T** p, std::size_t bytes, cudaStream_t s) {
  return cudaMallocAsync(reinterpret_cast<void**>(p), bytes, s);
}

inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  using namespace cuda_on_host;
  return call("cudaMemGetInfo", [&] {
    if (free == nullptr || total == nullptr) return cudaErrorInvalidValue;
    *total = knobs().device_bytes;
    std::size_t const used = memory::get().used(detail::mine().device);
    *free = used < *total ? *total - used : 0;
    return cudaSuccess;
  });
}

inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, void const* p) {
  using namespace cuda_on_host;
  return call("cudaPointerGetAttributes", [&] {
    if (attributes == nullptr) return cudaErrorInvalidValue;
    auto const block = memory::get().find(p);
    void* const same = const_cast<void*>(p);
    bool const known = block.type != cudaMemoryTypeUnregistered;
    *attributes = {block.type, known ? block.device : -2, known ? same : nullptr,
                   block.type == cudaMemoryTypeDevice ? nullptr : same};
    return cudaSuccess;
  });
}
// NOLINTEND
