// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>

#include "errors.hpp"

// What every call of the runtime has in common: it's counted, it may be made to fail, and its error
// is this thread's last one.

namespace cuda_on_host {

struct call_counts {
  std::uint64_t calls = 0;            // of the runtime and cuBLAS
  std::uint64_t stream_syncs = 0;     // cudaStreamSynchronize
  std::uint64_t event_syncs = 0;      // cudaEventSynchronize
  std::uint64_t device_syncs = 0;     // cudaDeviceSynchronize
  std::uint64_t blocking_copies = 0;  // cudaMemcpy, cudaMemset
  std::uint64_t implicit_syncs = 0;   // cudaFree, cudaFreeHost: they wait, too
  std::uint64_t pageable_copies = 0;  // cudaMemcpyAsync that may wait: host memory isn't pinned
  std::uint64_t queries = 0;          // cudaStreamQuery, cudaEventQuery
  std::uint64_t launches = 0;         // of kernels
  std::uint64_t graph_launches = 0;
  std::uint64_t gemms = 0;          // calls of cublasGemm...
  std::uint64_t mallocs = 0;        // cudaMalloc, cudaMallocHost, cudaHostAlloc
  std::uint64_t async_mallocs = 0;  // cudaMallocAsync
  std::uint64_t frees = 0;          // of any kind

  /// Calls in which the host waits for a device.
  std::uint64_t host_syncs() const {
    return stream_syncs + event_syncs + device_syncs + blocking_copies;
  }
};

using counter = std::uint64_t call_counts::*;

namespace detail {

struct global_state {
  std::mutex guard;
  call_counts counts;
  // Injected: the call_number-th call from now of one named `only` (any, if empty).
  std::uint64_t fail_in = 0;
  cudaError_t fail_with = cudaSuccess;
  std::string fail_only;
};
inline global_state& global() {
  static global_state& state = *new global_state;
  return state;
}

struct thread_state {
  call_counts counts;
  cudaError_t last_error = cudaSuccess;
  int device = 0;
  bool in_host_function = false;
  std::uint64_t fail_in = 0;
  cudaError_t fail_with = cudaSuccess;
  char const* fail_only = nullptr;
};
inline thread_state& mine() {
  static constinit thread_local thread_state state{};
  return state;
}

inline std::array<std::atomic<int>, 64>& failed_devices() {
  static constinit std::array<std::atomic<int>, 64> errors{};
  return errors;
}

}  // namespace detail

/// What all threads have called since the last reset.
inline call_counts counts() {
  std::lock_guard const lock(detail::global().guard);
  return detail::global().counts;
}
/// What this thread has called since its last reset.
inline call_counts thread_counts() { return detail::mine().counts; }
inline void reset_thread_counts() { detail::mine().counts = {}; }
inline void reset_counts() {
  std::lock_guard const lock(detail::global().guard);
  detail::global().counts = {};
}
inline void count(counter c) {
  ++(detail::mine().counts.*c);
  std::lock_guard const lock(detail::global().guard);
  ++(detail::global().counts.*c);
}

/// The nth call from now (1: the next) by any thread fails, once. `only` names the function that
/// counts and fails; all do without it.
inline void fail_call(std::uint64_t nth, cudaError_t error, char const* only = "") {
  std::lock_guard const lock(detail::global().guard);
  detail::global().fail_in = nth;
  detail::global().fail_with = error;
  detail::global().fail_only = only;
}
/// The same for calls by this thread; `only` must live on.
inline void fail_call_here(std::uint64_t nth, cudaError_t error, char const* only = nullptr) {
  detail::mine().fail_in = nth;
  detail::mine().fail_with = error;
  detail::mine().fail_only = only;
}
/// Takes both back. Says whether one was still to come.
inline bool stop_failing() {
  std::lock_guard const lock(detail::global().guard);
  bool const pending = detail::global().fail_in != 0 || detail::mine().fail_in != 0;
  detail::global().fail_in = detail::mine().fail_in = 0;
  return pending;
}
/// Devices whose kernels failed work again, and this thread has no last error.
inline void forget_failures() {
  for (auto& error : detail::failed_devices()) error = 0;
  detail::mine().last_error = cudaSuccess;
}

inline cudaError_t injected_failure(char const* name) {
  auto& t = detail::mine();
  ++t.counts.calls;
  if (t.fail_in != 0 && (t.fail_only == nullptr || std::strcmp(t.fail_only, name) == 0) &&
      --t.fail_in == 0)
    return t.fail_with;
  auto& g = detail::global();
  std::lock_guard const lock(g.guard);
  ++g.counts.calls;
  if (g.fail_in != 0 && (g.fail_only.empty() || g.fail_only == name) && --g.fail_in == 0)
    return g.fail_with;
  return cudaSuccess;
}

/// Of a device, since a kernel of it failed.
inline cudaError_t failure_of(int device) {
  return static_cast<cudaError_t>(
      detail::failed_devices()[static_cast<std::size_t>(device)].load());
}

inline cudaError_t remember(cudaError_t error) {
  if (error != cudaSuccess) detail::mine().last_error = error;
  return error;
}

/// A call of the runtime by that name, which does body.
template <class Body>
cudaError_t call(char const* name, Body const& body) {
  cudaError_t error = injected_failure(name);
  auto const& t = detail::mine();
  if (error == cudaSuccess && t.in_host_function) error = cudaErrorNotPermitted;
  if (error == cudaSuccess) error = failure_of(t.device);
  if (error == cudaSuccess) error = body();
  return remember(error);
}

}  // namespace cuda_on_host

inline cudaError_t cudaPeekAtLastError() { return cuda_on_host::detail::mine().last_error; }
inline cudaError_t cudaGetLastError() {
  cudaError_t const error = cudaPeekAtLastError();
  cuda_on_host::detail::mine().last_error = cudaSuccess;
  return error;
}
