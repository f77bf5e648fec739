// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>

#include <llep/backends/nccl/failure_board.hpp>
#include <llep/error.hpp>

namespace llep::nccl {

/// How long a rank waits, and whom it goes down with. May differ between ranks.
struct options {
  /// The host waits no longer than this for the device in one go, nor for the peers while
  /// communicators are made: then the group goes down. 0: for ever.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
  /// Going down, it waits no longer for NCCL to free its communicators, which may need the peers: a
  /// thread is left behind that goes on with it.
  std::chrono::milliseconds grace = std::chrono::seconds(10);
  /// Shared by the ranks of a process; without, the rank has its own.
  std::shared_ptr<failure_board> board = nullptr;

  /// @throws llep::error (invalid_argument) for times below 0
  void check() const {
    expects(timeout.count() >= 0, "nccl: options: timeout must be at least 0");
    expects(grace.count() >= 0, "nccl: options: grace must be at least 0");
  }
};

}  // namespace llep::nccl
