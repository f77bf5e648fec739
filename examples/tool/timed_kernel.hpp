// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <llep/concepts/expert_kernel.hpp>

#include "thread_clock.hpp"

namespace llep::tool {

/// A kernel that adds up the CPU time which its calls take in the thread that makes them: what the
/// rank computes, whoever else runs on the machine. For kernels that are done when they return.
template <expert_kernel K>
class timed_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = typename K::device_type;
  using row_type = typename K::row_type;
  static constexpr std::size_t blocks = K::blocks;

  explicit timed_kernel(K kernel) : kernel_(std::move(kernel)) {}

  /// CPU seconds inside `forward` since the last call of this.
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
    double const before = thread_seconds();
    kernel_.forward(q, groups, x, y, work);
    seconds_ += thread_seconds() - before;
  }

 private:
  K kernel_;
  double seconds_ = 0;
};

}  // namespace llep::tool
