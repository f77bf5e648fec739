// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// Lists that stand one after the other in one allocation, each aligned to 256 bytes. Over null
/// only their bytes are counted.
class layout {
 public:
  explicit layout(void* memory) : memory_(static_cast<std::byte*>(memory)) {}

  template <class T>
  void take(T*& list, std::int64_t n) {
    if (memory_ != nullptr) list = reinterpret_cast<T*>(memory_ + bytes_);
    bytes_ += aligned(n * static_cast<byte_count>(sizeof(T)));
  }
  [[nodiscard]] byte_count bytes() const { return bytes_; }

  [[nodiscard]] static constexpr byte_count aligned(byte_count bytes) {
    constexpr byte_count alignment = 256;
    return (bytes + alignment - 1) / alignment * alignment;
  }

 private:
  std::byte* memory_;
  byte_count bytes_ = 0;
};

}  // namespace llep::cuda::detail
