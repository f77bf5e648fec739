// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <concepts>
#include <cstddef>
#include <new>

#include <llep/backends/cuda/status.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// Where a device's memory comes from: an allocator of yours goes here.
///
/// Syntax    allocate(bytes, stream)    memory of the current device, aligned to 256 bytes, to be
///                                      used by what comes later on the stream
///           deallocate(p, stream)      given back after what is on the stream now
/// Errors    std::bad_alloc where there isn't so much, llep::error for the rest; deallocate doesn't
///           throw
/// Threads   one at a time for each object
// clang-format off
template <class M>
concept memory_source =
    std::movable<M> &&
    requires(M& source, byte_count bytes, cudaStream_t stream, void* p) {
      { source.allocate(bytes, stream) } -> std::same_as<void*>;
      { source.deallocate(p, stream) } noexcept -> std::same_as<void>;
    };
// clang-format on

/// The current device's own pool (cudaMallocAsync): what is given back there others can take.
struct pool_memory {
  [[nodiscard]] void* allocate(byte_count bytes, cudaStream_t stream) {
    if (bytes < 0) throw std::bad_alloc();
    void* p = nullptr;
    check(cudaMallocAsync(&p, static_cast<std::size_t>(bytes), stream), "cudaMallocAsync");
    return p;
  }
  void deallocate(void* p, cudaStream_t stream) noexcept {
    static_cast<void>(cudaFreeAsync(p, stream));  // a broken device says so in its next call
  }
};
static_assert(memory_source<pool_memory>);

}  // namespace llep::cuda
