// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include "machine.hpp"

// NOLINTBEGIN: names as in CUDA

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned flags) {
  using namespace cuda_on_host;
  return call("cudaStreamCreateWithFlags", [&] {
    if (s == nullptr || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
    *s = new CUstream_st(detail::mine().device, flags);
    std::lock_guard const lock(machine::get().guard);
    machine::get().streams.insert(*s);
    return cudaSuccess;
  });
}
inline cudaError_t cudaStreamCreate(cudaStream_t* s) {
  return cudaStreamCreateWithFlags(s, cudaStreamDefault);
}
inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int) {
  return cudaStreamCreateWithFlags(s, flags);
}

/// Unlike CUDA's, it waits for what is on the stream; so it ends no thread that runs.
inline cudaError_t cudaStreamDestroy(cudaStream_t s) {
  using namespace cuda_on_host;
  return call("cudaStreamDestroy", [&] {
    {
      auto& m = machine::get();
      std::lock_guard const lock(m.guard);
      if (!m.streams.contains(s)) return cudaErrorInvalidResourceHandle;
      if (s->capturing) {  // its ops would outlive it
        s->capturing->invalid = true;
        s->capturing = nullptr;
      }
      m.streams.erase(s);
    }
    delete s;
    return cudaSuccess;
  });
}

inline cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  using namespace cuda_on_host;
  return call("cudaStreamSynchronize", [&] {
    count(&call_counts::stream_syncs);
    cudaStream_t s = nullptr;
    if (auto const error = find_to_wait(handle, s); error != cudaSuccess) return error;
    s->wait();
    return failure_of(s->device());
  });
}

inline cudaError_t cudaStreamQuery(cudaStream_t handle) {
  using namespace cuda_on_host;
  return call("cudaStreamQuery", [&] {
    count(&call_counts::queries);
    cudaStream_t s = nullptr;
    if (auto const error = find_to_wait(handle, s); error != cudaSuccess) return error;
    return s->idle() ? failure_of(s->device()) : cudaErrorNotReady;
  });
}

inline cudaError_t cudaStreamGetDevice(cudaStream_t handle, int* device) {
  using namespace cuda_on_host;
  return call("cudaStreamGetDevice", [&] {
    return with_stream(handle, [&](cudaStream_t s) {
      if (device == nullptr) return cudaErrorInvalidValue;
      *device = s->device();
      return cudaSuccess;
    });
  });
}

inline cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  using namespace cuda_on_host;
  return call("cudaStreamGetFlags", [&] {
    return with_stream(handle, [&](cudaStream_t s) {
      *flags = s->flags();
      return cudaSuccess;
    });
  });
}

/// The function mustn't call the runtime: calls fail with cudaErrorNotPermitted there.
inline cudaError_t cudaLaunchHostFunc(cudaStream_t s, void (*function)(void*), void* data) {
  using namespace cuda_on_host;
  return call("cudaLaunchHostFunc", [&] {
    if (function == nullptr) return cudaErrorInvalidValue;
    return put(s, [=] {
      detail::mine().in_host_function = true;
      function(data);
      detail::mine().in_host_function = false;
    });
  });
}
using cudaHostFn_t = void (*)(void*);

inline cudaError_t cudaDeviceSynchronize() {
  using namespace cuda_on_host;
  return call("cudaDeviceSynchronize", [&] {
    count(&call_counts::device_syncs);
    if (auto const error = machine::get().forbid_captures(); error != cudaSuccess) return error;
    wait_for_device(detail::mine().device);
    return failure_of(detail::mine().device);
  });
}
// NOLINTEND
