// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <llep/backends/emulated/run.hpp>

namespace llep::tool {

/// Emulated ranks on the host's own device. What an engine says about its ranks: what they are, how
/// their bodies are run, and how what each has written of a result comes together.
struct host_threads {
  static constexpr char const* words = "emulated in this process";
  static constexpr bool takes_turns = true;  ///< does what emulated::options say

  static std::shared_ptr<void> start(std::int64_t) { return nullptr; }
  static bool prints() { return true; }

  /// Calls body(communicator, queue) as each rank.
  template <class Body>
  static void run(std::int32_t ranks, emulated::options const& how, Body body) {
    emulated::run(
        ranks,
        [&](auto& group) {
          host_device::queue q;
          body(group, q);
        },
        how);
  }

  /// Whether this rank writes what all know alike.
  static bool describes(rank_id rank) { return rank == 0; }

  /// Afterwards every rank has what all have written; each has written its own numbers, and left
  /// the others 0.
  template <class T>
  static void gather(std::vector<T>&) {}  // they write to the same memory
};

}  // namespace llep::tool
