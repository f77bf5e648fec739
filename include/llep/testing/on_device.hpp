// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/device/buffer.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

/// A list in device memory, which the host fills and reads by way of staging memory, so that device
/// memory needn't be host memory. An empty list lies nowhere. Borrows the device and the queue.
template <device D, class T>
class on_device {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  on_device(D& device, typename D::queue& q, std::vector<T> const& values)
      : device_(&device),
        queue_(&q),
        memory_(device),
        staging_(nullptr, give_back{&device}),
        size_(values.size()) {
    if (size_ == 0) return;
    memory_.reserve(bytes());
    staging_.reset(device.allocate_staging(bytes()));
    std::memcpy(staging_.get(), values.data(), at(bytes()));
    device.copy(q, memory_.data(), staging_.get(), bytes());
  }

  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(memory_.data()); }
  [[nodiscard]] byte_count bytes() const { return static_cast<byte_count>(size_ * sizeof(T)); }

  /// What the queue leaves in it. The host waits for the queue.
  [[nodiscard]] std::vector<T> read() const {
    std::vector<T> values(size_);
    if (size_ == 0) return values;
    wait();
    std::memset(staging_.get(), 0x5A, at(bytes()));  // what was sent isn't what comes back
    device_->copy(*queue_, staging_.get(), memory_.data(), bytes());
    wait();
    std::memcpy(values.data(), staging_.get(), at(bytes()));
    return values;
  }

 private:
  struct give_back {
    D* device;
    void operator()(void* p) const noexcept { device->deallocate_staging(p); }
  };

  void wait() const {
    auto reached = device_->make_event();
    device_->record(reached, *queue_);
    device_->sync(reached);
  }

  D* device_;
  typename D::queue* queue_;
  device_buffer<D> memory_;
  std::unique_ptr<void, give_back> staging_;
  std::size_t size_;
};

}  // namespace llep::testing
