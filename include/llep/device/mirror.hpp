// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

#include <llep/concepts/device.hpp>
#include <llep/device/buffer.hpp>

namespace llep {

/// The same bytes on the host and on the device, for what is written by one and read by the other.
/// Where the host reaches device memory they are one, and the copies nothing. Borrows the device.
template <device D>
class mirror {
 public:
  explicit mirror(D& device) : device_(&device), far_(device) {}
  mirror(mirror&& other) noexcept
      : device_(other.device_),
        far_(std::move(other.far_)),
        near_(std::exchange(other.near_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  mirror& operator=(mirror&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(far_, other.far_);
    std::swap(near_, other.near_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~mirror() { release(); }

  /// Makes room for at least so many bytes; the content is lost where it grows.
  void reserve(byte_count bytes) {
    if (bytes <= bytes_) return;
    release();
    far_.reserve(bytes);
    if constexpr (!D::host_memory) near_ = device_->allocate_staging(bytes);
    bytes_ = bytes;
  }

  [[nodiscard]] std::byte* on_device() const { return far_.data(); }
  [[nodiscard]] std::byte* on_host() const {
    if constexpr (D::host_memory)
      return far_.data();
    else
      return static_cast<std::byte*>(near_);
  }

  void upload(typename D::queue& q, byte_count first, byte_count bytes) {
    if constexpr (!D::host_memory) device_->copy(q, on_device() + first, on_host() + first, bytes);
  }
  void download(typename D::queue& q, byte_count first, byte_count bytes) {
    if constexpr (!D::host_memory) device_->copy(q, on_host() + first, on_device() + first, bytes);
  }

 private:
  void release() noexcept {
    if (near_ != nullptr) device_->deallocate_staging(near_);
    near_ = nullptr;
    bytes_ = 0;
  }

  D* device_;
  device_buffer<D> far_;
  void* near_ = nullptr;
  byte_count bytes_ = 0;  // that both have
};

}  // namespace llep
