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
  static constexpr char const* clock = "CPU";
  static constexpr bool exact = true;

  static std::shared_ptr<void> start(std::int64_t) { return nullptr; }
  static bool prints() { return true; }

  /// Calls body(communicator, queue) as each rank.
  template <class Body>
  static void run(std::int32_t ranks, emulated::options const& how, Body body) {
    run_on([] { return host_device(); }, ranks, how, body);
  }

  /// Whether this rank writes what all know alike.
  static bool describes(rank_id rank) { return rank == 0; }

  /// Afterwards every rank has what all have written; each has written its own numbers, and left
  /// the others 0.
  template <class T>
  static void gather(std::vector<T>&) {}  // they write to the same memory

 protected:
  /// The same on other devices: a rank's thread makes its own.
  template <class MakeDevice, class Body>
  static void run_on(MakeDevice make_device, std::int32_t ranks, emulated::options const& how,
                     Body body) {
    emulated::run(
        ranks, make_device,
        [&](auto& group) {
          auto q = group.device().make_queue();
          body(group, q);
        },
        how);
  }
};

}  // namespace llep::tool
