// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

#include "types.hpp"

// What tests may set and read.

namespace nccl_on_host {

struct settings {
  /// Communicators of this rank have met `async_error`, from now on.
  std::atomic<int> failing_rank{-1};
  std::atomic<ncclResult_t> async_error{ncclSystemError};
  /// Whether abort waits until all ranks of the communicator abort, as NCCL may in one node.
  std::atomic<bool> aborts_wait_for_peers{false};
};

inline settings& knobs() {
  static settings all;
  return all;
}

struct call_counts {
  std::atomic<std::uint64_t> communicators{0};  ///< that exist now
  std::atomic<std::uint64_t> aborts{0};
  std::atomic<std::uint64_t> destroys{0};
  std::atomic<std::uint64_t> messages{0};       ///< sends and receives
  std::atomic<std::uint64_t> outside_group{0};  ///< those of them that no group held
  std::atomic<std::uint64_t> gathers{0};
  std::atomic<std::uint64_t> dead_handles{0};  ///< calls on what isn't a communicator any more
};

inline call_counts& counts() {
  static call_counts all;
  return all;
}

namespace detail {

struct thread_state {
  std::uint64_t fail_in = 0;
  ncclResult_t fail_with = ncclSuccess;
  char const* fail_only = nullptr;
  std::string last_error;
};

inline thread_state& mine() {
  static thread_local thread_state state;
  return state;
}

}  // namespace detail

/// The nth call from now (1: the next) of the function named, by this thread, fails, once.
inline void fail_call_here(std::uint64_t nth, ncclResult_t result, char const* name) {
  auto& t = detail::mine();
  t.fail_in = nth;
  t.fail_with = result;
  t.fail_only = name;
}
/// Takes that back. Says whether it was still to come.
inline bool stop_failing_here() {
  bool const pending = detail::mine().fail_in != 0;
  detail::mine().fail_in = 0;
  return pending;
}

inline ncclResult_t injected_failure(char const* name) {
  auto& t = detail::mine();
  if (t.fail_in == 0 || std::strcmp(t.fail_only, name) != 0 || --t.fail_in != 0) return ncclSuccess;
  t.last_error = "injected into " + std::string(name);
  return t.fail_with;
}

inline ncclResult_t refuse(ncclResult_t result, std::string why) {
  detail::mine().last_error = std::move(why);
  return result;
}

}  // namespace nccl_on_host
