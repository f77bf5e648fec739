// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>

#include <llep/concepts/device.hpp>

namespace llep::mpi {

/// Host memory that device memory is copied through. Grows to a high-water mark.
template <device D>
class stage {
 public:
  explicit stage(D& device) : device_(&device), read_(device.make_event()) {}
  stage(stage const&) = delete;
  stage& operator=(stage const&) = delete;
  ~stage() { release(); }

  /// Makes room for so many bytes, once what was to be read from it has been. Takes turns with
  /// `read_on`.
  [[nodiscard]] std::byte* reserve(byte_count bytes) {
    device_->sync(read_);
    if (bytes > bytes_) {
      release();
      data_ = device_->allocate_staging(bytes);
      bytes_ = bytes;
    }
    return static_cast<std::byte*>(data_);
  }
  /// Copies out of it have been put on q.
  void read_on(typename D::queue& q) { device_->record(read_, q); }

 private:
  void release() noexcept {
    if (data_ != nullptr) device_->deallocate_staging(std::exchange(data_, nullptr));
    bytes_ = 0;
  }

  D* device_;
  typename D::event read_;
  void* data_ = nullptr;
  byte_count bytes_ = 0;
};

}  // namespace llep::mpi
