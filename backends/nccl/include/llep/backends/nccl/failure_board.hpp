// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include <llep/error.hpp>

namespace llep::nccl {

/// The cause that ranks of one process go down with: who fails first writes it, and all look, also
/// while they wait. So each of them learns at once, and the same.
class failure_board {
 public:
  /// Writes `why` unless something stands there. Returns what stands there.
  error raise(error const& why) noexcept {
    std::lock_guard const held(mutex_);
    if (!cause_) cause_ = why;
    raised_.store(true, std::memory_order_release);
    return *cause_;
  }
  /// Costs a read.
  [[nodiscard]] bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
  [[nodiscard]] std::optional<error> cause() const noexcept {
    return raised() ? cause_ : std::nullopt;  // once it is there it doesn't change
  }

 private:
  std::mutex mutex_;
  std::optional<error> cause_;
  std::atomic<bool> raised_{false};
};

}  // namespace llep::nccl
