// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "calls.hpp"
#include "knobs.hpp"

// Blocks of device and of pinned memory: the host's, full of 0xFF when new and when freed.

enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3
};

namespace cuda_on_host {

struct memory_block {
  void* begin = nullptr;
  std::size_t bytes = 0;
  cudaMemoryType type = cudaMemoryTypeUnregistered;
  int device = 0;
  bool freed = false;  // and a stream still has to come to that
};

class memory {
 public:
  static memory& get() {
    static memory& m = *new memory;
    return m;
  }

  cudaError_t allocate(void** p, std::size_t bytes, cudaMemoryType type, int device) {
    if (p == nullptr) return cudaErrorInvalidValue;
    *p = nullptr;
    if (bytes == 0) return cudaSuccess;
    std::lock_guard const lock(guard_);
    auto& used = used_[static_cast<std::size_t>(device)];
    bool const counts = type == cudaMemoryTypeDevice;
    std::size_t const limit = knobs().device_bytes;
    if (counts && (used > limit || bytes > limit - used)) return cudaErrorMemoryAllocation;
    if (posix_memalign(p, 256, bytes) != 0) return cudaErrorMemoryAllocation;
    std::memset(*p, 0xFF, bytes);
    if (counts) used += bytes;
    blocks_[reinterpret_cast<std::uintptr_t>(*p)] = {*p, bytes, type, device, false};
    return cudaSuccess;
  }

  /// From now on it counts as free, and no call takes a pointer into it.
  cudaError_t give_up(void* p, cudaMemoryType type) {
    std::lock_guard const lock(guard_);
    auto const at = blocks_.find(reinterpret_cast<std::uintptr_t>(p));
    if (at == blocks_.end() || at->second.type != type || at->second.freed)
      return cudaErrorInvalidValue;
    at->second.freed = true;
    if (type == cudaMemoryTypeDevice)
      used_[static_cast<std::size_t>(at->second.device)] -= at->second.bytes;
    return cudaSuccess;
  }

  /// What was given up.
  void release(void* p) {
    std::lock_guard const lock(guard_);
    auto const at = blocks_.find(reinterpret_cast<std::uintptr_t>(p));
    std::memset(p, 0xFF, at->second.bytes);
    blocks_.erase(at);
    std::free(p);
  }

  /// The block that p points into; one of no bytes if none.
  memory_block find(void const* p) {
    std::lock_guard const lock(guard_);
    auto const address = reinterpret_cast<std::uintptr_t>(p);
    auto at = blocks_.upper_bound(address);
    if (at == blocks_.begin()) return {};
    --at;
    bool const inside = address - at->first < at->second.bytes;
    return inside && !at->second.freed ? at->second : memory_block{};
  }

  std::size_t used(int device) {
    std::lock_guard const lock(guard_);
    return used_[static_cast<std::size_t>(device)];
  }
  std::size_t blocks(cudaMemoryType type) {
    std::lock_guard const lock(guard_);
    std::size_t n = 0;
    for (auto const& [address, block] : blocks_) n += block.type == type && !block.freed;
    return n;
  }

 private:
  std::mutex guard_;
  std::map<std::uintptr_t, memory_block> blocks_;
  std::array<std::size_t, 64> used_{};
};

/// Blocks that weren't freed yet.
inline std::size_t live_device_blocks() { return memory::get().blocks(cudaMemoryTypeDevice); }
inline std::size_t live_pinned_blocks() { return memory::get().blocks(cudaMemoryTypeHost); }
inline std::size_t live_device_bytes(int device) { return memory::get().used(device); }

}  // namespace cuda_on_host
