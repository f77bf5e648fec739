// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <llep/concepts/expert_kernel.hpp>

#include "thread_clock.hpp"

namespace llep::tool {

/// A kernel that adds up the time which its calls take. Where they are done when they return, as on
/// the host's memory, that is CPU time of the thread that makes them: what the rank computes,
/// whoever else runs on the machine. On other devices it is from one wait for the queue to the
/// next: such a kernel blocks the host. Borrows the device.
template <expert_kernel K>
class timed_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = typename K::device_type;
  using row_type = typename K::row_type;
  static constexpr std::size_t blocks = K::blocks;

  timed_kernel(K kernel, device_type& device) : kernel_(std::move(kernel)), device_(&device) {}

  /// Seconds that `forward` has taken since the last call of this.
  [[nodiscard]] double take_seconds() { return std::exchange(seconds_, 0.0); }

  [[nodiscard]] std::int64_t hidden() const noexcept { return kernel_.hidden(); }
  [[nodiscard]] std::uint64_t digest() const { return kernel_.digest(); }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return kernel_.block_bytes(block);
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return kernel_.native(e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    return kernel_.work_bytes(rows_by_group);
  }
  void forward(typename device_type::queue& q, std::span<row_group<blocks> const> groups,
               row_type const* x, row_type* y, void* work) {
    double const before = clock(q);
    kernel_.forward(q, groups, x, y, work);
    seconds_ += clock(q) - before;
  }

 private:
  double clock(typename device_type::queue& q) {
    if constexpr (device_type::host_memory) {
      return thread_seconds();
    } else {
      device_->record(reached_, q);
      device_->sync(reached_);
      std::chrono::duration<double> const now = std::chrono::steady_clock::now().time_since_epoch();
      return now.count();
    }
  }

  K kernel_;
  device_type* device_;
  typename device_type::event reached_ = device_->make_event();
  double seconds_ = 0;
};

}  // namespace llep::tool
