// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <thread>

namespace llep::nccl {

/// For how long the host has been waiting. It is told only that the host still waits, again and
/// again; where that stops for a second, it waits for something else.
class patience {
  using clock = std::chrono::steady_clock;

 public:
  /// @param limit 0: for ever
  explicit patience(std::chrono::milliseconds limit) : limit_(limit) {}

  /// What is waited for next is something else.
  void renew() noexcept { last_.reset(); }
  /// The host still waits: whether that is too long now.
  [[nodiscard]] bool over() noexcept {
    constexpr std::chrono::seconds pause(1);
    auto const now = clock::now();
    if (!last_ || now - *last_ > pause) began_ = now;
    last_ = now;
    return limit_.count() > 0 && now - began_ > limit_;
  }
  /// Between two questions: a wait that has been long leaves the core to others, for so short that
  /// it isn't much longer for it.
  void rest() const {
    if (last_ && *last_ - began_ > std::chrono::milliseconds(1))
      std::this_thread::sleep_for(std::chrono::microseconds(20));
  }

 private:
  std::chrono::milliseconds limit_;
  clock::time_point began_;
  std::optional<clock::time_point> last_;
};

}  // namespace llep::nccl
