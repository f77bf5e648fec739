// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

// What tests may set. All of it is global, for all threads and streams, and may be set at any time;
// what is under way may still see the old values.

namespace cuda_on_host {

struct settings {
  /// In which order the threads of a block run between two barriers, and the ops of a graph where
  /// their dependencies leave it open. 0: ascending. 1: descending. Others: shuffled, anew after
  /// each barrier.
  std::atomic<std::uint64_t> seed{0};
  /// A stream sleeps 0 .. this before each of its ops, drawn from the seed. 0: it doesn't.
  std::atomic<unsigned> max_delay_us{0};
  /// Whether a barrier is reported that a block's threads wait at in different places: undefined in
  /// CUDA, if often harmless.
  std::atomic<bool> uniform_barriers{true};
  /// Whether a copy to or from pageable memory waits, as drivers do mostly. Off, as they needn't.
  std::atomic<bool> pageable_copies_wait{false};
  /// The memory of each device.
  std::atomic<std::size_t> device_bytes{std::size_t{16} << 30U};
  std::atomic<int> device_count{2};
  std::atomic<int> multiprocessors{4};
};

inline settings& knobs() {
  static settings all;
  return all;
}

/// What is done about an error in a kernel that hardware would answer by a hang or by nonsense.
/// The one that is there prints the message and aborts. If it returns, the kernel is given up and
/// its device answers cudaErrorLaunchFailure from then on, until forget_failures().
using misuse_handler = std::function<void(std::string const&)>;

struct misuse_state {
  std::mutex guard;
  misuse_handler handler;
};

inline misuse_state& misuse() {
  static misuse_state& state = *new misuse_state;
  return state;
}

/// Returns the handler that was there. An empty one is the one that aborts.
inline misuse_handler on_misuse(misuse_handler handler) {
  std::lock_guard const lock(misuse().guard);
  return std::exchange(misuse().handler, std::move(handler));
}

inline void report_misuse(std::string const& message) {
  misuse_handler handler;
  {
    std::lock_guard const lock(misuse().guard);
    handler = misuse().handler;
  }
  if (handler) return handler(message);
  std::fprintf(stderr, "cuda_on_host: %s\n", message.c_str());
  std::abort();
}

/// Numbers drawn from a state, as splitmix64 does.
inline std::uint64_t draw(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15U);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31U);
}

}  // namespace cuda_on_host
