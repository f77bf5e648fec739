// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "machine.hpp"

namespace cuda_on_host {

/// The last record of an event that the host may ask for or wait for.
inline cudaError_t find_moment(cudaEvent_t e, std::shared_ptr<moment>& found) {
  auto& m = machine::get();
  std::lock_guard const lock(m.guard);
  if (!m.events.contains(e)) return cudaErrorInvalidResourceHandle;
  found = e->last;
  if (!e->in) return cudaSuccess;
  e->in->invalid = true;
  return cudaErrorCapturedEvent;
}

/// Needs the machine's lock.
inline cudaError_t wait_in_capture(cudaStream_t s, event const& e) {
  if (e.in && std::find(machine::get().captures.begin(), machine::get().captures.end(), e.in) ==
                  machine::get().captures.end())
    return cudaErrorCapturedEvent;  // of a capture that has ended
  if (!e.in || (s->capturing && s->capturing != e.in)) {
    s->capturing->invalid = true;
    if (e.in) e.in->invalid = true;
    return e.in ? cudaErrorStreamCaptureMerge : cudaErrorStreamCaptureIsolation;
  }
  if (e.in->invalid) return cudaErrorStreamCaptureInvalidated;
  s->capturing = e.in;
  e.in->wait(s, e.reached);
  return cudaSuccess;
}

}  // namespace cuda_on_host

// NOLINTBEGIN: names as in CUDA
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned flags) {
  using namespace cuda_on_host;
  return call("cudaEventCreateWithFlags", [&] {
    if (e == nullptr || flags > 7) return cudaErrorInvalidValue;
    *e = new CUevent_st;
    (*e)->device = detail::mine().device;
    (*e)->flags = flags;
    std::lock_guard const lock(machine::get().guard);
    machine::get().events.insert(*e);
    return cudaSuccess;
  });
}
inline cudaError_t cudaEventCreate(cudaEvent_t* e) {
  return cudaEventCreateWithFlags(e, cudaEventDefault);
}

inline cudaError_t cudaEventDestroy(cudaEvent_t e) {
  using namespace cuda_on_host;
  return call("cudaEventDestroy", [&] {
    auto& m = machine::get();
    std::lock_guard const lock(m.guard);
    if (m.events.erase(e) == 0) return cudaErrorInvalidResourceHandle;
    delete e;
    return cudaSuccess;
  });
}

inline cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t handle = nullptr) {
  using namespace cuda_on_host;
  return call("cudaEventRecord", [&] {
    return with_stream(handle, [&](cudaStream_t s) {
      if (!machine::get().events.contains(e) || e->device != s->device())
        return cudaErrorInvalidResourceHandle;
      e->in = s->capturing;
      e->last = nullptr;
      if (e->in) {
        e->reached = e->in->reached(s);
        return cudaSuccess;
      }
      e->last = std::make_shared<moment>();
      s->enqueue([now = e->last] { now->happen(); });
      return cudaSuccess;
    });
  });
}

/// For the event's last record before this call; for nothing if there's none.
inline cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t e, unsigned = 0) {
  using namespace cuda_on_host;
  return call("cudaStreamWaitEvent", [&] {
    return with_stream(handle, [&](cudaStream_t s) {
      if (!machine::get().events.contains(e)) return cudaErrorInvalidResourceHandle;
      if (e->in || (s->capturing && e->last)) return wait_in_capture(s, *e);
      if (e->last) s->enqueue([then = e->last] { then->wait(); });
      return cudaSuccess;
    });
  });
}

inline cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  using namespace cuda_on_host;
  return call("cudaEventSynchronize", [&] {
    count(&call_counts::event_syncs);
    std::shared_ptr<moment> last;
    if (auto const error = find_moment(e, last); error != cudaSuccess) return error;
    if (last) last->wait();
    return failure_of(detail::mine().device);
  });
}

inline cudaError_t cudaEventQuery(cudaEvent_t e) {
  using namespace cuda_on_host;
  return call("cudaEventQuery", [&] {
    count(&call_counts::queries);
    std::shared_ptr<moment> last;
    if (auto const error = find_moment(e, last); error != cudaSuccess) return error;
    return last && !last->done() ? cudaErrorNotReady : failure_of(detail::mine().device);
  });
}

inline cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  using namespace cuda_on_host;
  return call("cudaEventElapsedTime", [&] {
    std::shared_ptr<moment> a, b;
    if (auto const error = find_moment(from, a); error != cudaSuccess) return error;
    if (auto const error = find_moment(to, b); error != cudaSuccess) return error;
    if (ms == nullptr || !a || !b || from->device != to->device ||
        ((from->flags | to->flags) & cudaEventDisableTiming) != 0)
      return cudaErrorInvalidResourceHandle;
    if (!a->done() || !b->done()) return cudaErrorNotReady;
    *ms = std::chrono::duration<float, std::milli>(b->at() - a->at()).count();
    return cudaSuccess;
  });
}
// NOLINTEND
