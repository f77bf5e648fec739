// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/space.hpp>
#include <llep/shape.hpp>

namespace llep::kokkos::detail {

/// @throws std::bad_alloc if there isn't so much, llep::error (device) for anything else
template <class MemorySpace>
[[nodiscard]] void* take_memory(byte_count bytes) {
  return translated(
      [&] { return Kokkos::kokkos_malloc<MemorySpace>("llep", static_cast<std::size_t>(bytes)); });
}

/// @tparam Waits whether kernels may still use it, on whatever instance: then for all of them
template <class MemorySpace, bool Waits>
void give_memory_back(void* begin) noexcept {
  try {
    if constexpr (Waits) Kokkos::fence("llep::free");
    Kokkos::kokkos_free<MemorySpace>(begin);
  } catch (...) {  // a device that can't wait or free is broken, and its next call says so
  }
}

/// Memory of a Kokkos memory space. Kokkos aligns to less than 256 bytes, so a block is larger than
/// what is seen of it, and where it began is noted here: the host may not write beside it.
template <class MemorySpace, bool Waits>
class aligned_memory {
 public:
  [[nodiscard]] void* allocate(byte_count bytes) {
    if (bytes < 0 || bytes > (std::numeric_limits<byte_count>::max)() - alignment)
      throw std::bad_alloc();
    blocks_.reserve(blocks_.size() + 1);  // so that noting it can't fail
    void* const begin = take_memory<MemorySpace>(bytes + alignment);
    auto const address = reinterpret_cast<std::uintptr_t>(begin);
    auto* const seen = static_cast<std::byte*>(begin) + (alignment - address % alignment);
    blocks_.push_back({seen, begin});
    return seen;
  }

  void deallocate(void* seen) noexcept {
    auto const at = std::find_if(blocks_.begin(), blocks_.end(),
                                 [=](block const& b) { return b.seen == seen; });
    if (at == blocks_.end()) return;  // null
    give_memory_back<MemorySpace, Waits>(at->begin);
    *at = blocks_.back();
    blocks_.pop_back();
  }

 private:
  static constexpr byte_count alignment = 256;
  struct block {
    void* seen;
    void* begin;
  };
  std::vector<block> blocks_;  // few: a dispatcher has a handful
};

/// Device memory of the device's own: grows, and its content is lost then.
template <class MemorySpace, bool Waits>
class scratch_memory {
 public:
  scratch_memory() = default;
  scratch_memory(scratch_memory&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  scratch_memory& operator=(scratch_memory&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~scratch_memory() { release(); }

  [[nodiscard]] void* reserve(byte_count bytes) {
    if (bytes > bytes_) {
      release();
      begin_ = take_memory<MemorySpace>(bytes);
      bytes_ = bytes;
    }
    return begin_;
  }

 private:
  void release() noexcept {
    if (begin_ == nullptr) return;
    give_memory_back<MemorySpace, Waits>(begin_);
    begin_ = nullptr;
    bytes_ = 0;
  }

  void* begin_ = nullptr;
  byte_count bytes_ = 0;
};

}  // namespace llep::kokkos::detail
