// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

#include <llep/concepts/device.hpp>

namespace llep {

/// Device memory that grows to a high-water mark and is given back at the end. Its content is lost
/// when it grows. Borrows the device.
template <device D>
class device_buffer {
 public:
  explicit device_buffer(D& device) : device_(&device) {}
  device_buffer(device_buffer&& other) noexcept
      : device_(other.device_),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  device_buffer& operator=(device_buffer&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~device_buffer() { release(); }

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(data_); }
  [[nodiscard]] byte_count bytes() const { return bytes_; }

  /// Makes room for at least so many bytes; nothing on a queue uses the old ones any more.
  /// Throws what the device throws; the buffer is then empty.
  void reserve(byte_count bytes) {
    if (bytes <= bytes_) return;
    release();
    data_ = device_->allocate(bytes);
    bytes_ = bytes;
  }

 private:
  void release() noexcept {
    if (data_ != nullptr) device_->deallocate(data_);
    data_ = nullptr;
    bytes_ = 0;
  }

  D* device_;
  void* data_ = nullptr;
  byte_count bytes_ = 0;
};

}  // namespace llep
