// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <string_view>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/error.hpp>
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

namespace detail {

/// Throws unless kernels of `device` reach `p` and it is aligned to an element.
inline void expects_reached(int device, void const* p, std::size_t alignment, rank_id rank,
                            std::string_view name) {
  on_device const here(device);
  auto const refuse = [&](std::string const& why) {
    throw error(errc::invalid_argument, std::string(name) + ": " + why, rank);
  };
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
    refuse("isn't aligned to its elements of " + std::to_string(alignment) + " bytes");
  cudaPointerAttributes of{};
  check(cudaPointerGetAttributes(&of, p), "cudaPointerGetAttributes");
  if (of.type == cudaMemoryTypeUnregistered || of.devicePointer == nullptr)
    refuse("is host memory that GPU " + std::to_string(device) + " doesn't reach");
  if (of.type == cudaMemoryTypeDevice && of.device != device)
    refuse("is memory of GPU " + std::to_string(of.device) + ", not of " + std::to_string(device));
}

}  // namespace detail

}  // namespace llep::cuda
