// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "calls.hpp"
#include "capture.hpp"
#include "event.hpp"
#include "stream.hpp"

// The devices' streams and events that exist.

namespace cuda_on_host {

/// Lives until the process ends: static objects of tests may still use it on their way out.
class machine {
 public:
  static machine& get() {
    static machine& m = *new machine;
    return m;
  }

  std::mutex guard;  // of what is below, and of all captures

  std::set<cudaStream_t> streams;
  std::set<event*> events;
  std::vector<std::shared_ptr<capture>> captures;  // under way

  /// The stream a handle means; null if none. Needs guard.
  cudaStream_t find(cudaStream_t s) {
    if (s != nullptr && s != cudaStreamLegacy && s != cudaStreamPerThread)
      return streams.contains(s) ? s : nullptr;
    auto& own = defaults_[detail::mine().device];
    if (own == nullptr) streams.insert((own = new CUstream_st(detail::mine().device)));
    return own;
  }

  /// Of a device; needs guard.
  std::vector<cudaStream_t> streams_of(int device) const {
    std::vector<cudaStream_t> found;
    std::copy_if(streams.begin(), streams.end(), std::back_inserter(found),
                 [&](auto* s) { return s->device() == device; });
    return found;
  }

  /// Ends it for all its streams; needs guard.
  void end(std::shared_ptr<capture> const& c) {
    for (auto* s : streams)
      if (s->capturing == c) s->capturing = nullptr;
    std::erase(captures, c);
  }

  /// A call that no capture may be under way for, if this thread's captures are so strict: those
  /// are invalid then.
  cudaError_t forbid_captures() {
    std::lock_guard const lock(guard);
    cudaError_t error = cudaSuccess;
    for (auto const& c : captures) {
      bool const here = c->thread == std::this_thread::get_id();
      if (c->mode == cudaStreamCaptureModeGlobal ||
          (c->mode == cudaStreamCaptureModeThreadLocal && here)) {
        c->invalid = true;
        error = cudaErrorStreamCaptureUnsupported;
      }
    }
    return error;
  }

 private:
  std::map<int, cudaStream_t> defaults_;
};

/// Does with(stream), under the machine's lock.
template <class With>
cudaError_t with_stream(cudaStream_t handle, With const& with) {
  auto& m = machine::get();
  std::lock_guard const lock(m.guard);
  cudaStream_t const s = m.find(handle);
  if (s == nullptr) return cudaErrorInvalidResourceHandle;
  if (s->capturing && s->capturing->invalid) return cudaErrorStreamCaptureInvalidated;
  return with(s);
}

/// Needs the machine's lock.
inline void put_locked(cudaStream_t s, std::function<void()> op) {
  if (s->capturing) return s->capturing->add(s, std::move(op));
  s->enqueue(std::move(op));
}

/// Puts a closure on a stream: it runs on the stream's thread, after all that was put there before;
/// or goes into the graph, if the stream captures, and runs with each launch of it. A closure may
/// block, for example until another stream's closure has come to a meeting point; it mustn't call
/// the runtime's functions that wait for its own stream.
inline cudaError_t put(cudaStream_t handle, std::function<void()> op) {
  return with_stream(handle, [&](cudaStream_t s) {
    put_locked(s, std::move(op));
    return cudaSuccess;
  });
}

/// For a stream the host may wait for: what a capture forbids.
inline cudaError_t find_to_wait(cudaStream_t handle, cudaStream_t& found) {
  return with_stream(handle, [&](cudaStream_t s) {
    found = s;
    if (!s->capturing) return cudaSuccess;
    s->capturing->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  });
}

/// For all streams of a device, also those that their owners destroy meanwhile.
inline void wait_for_device(int device) {
  std::vector<cudaStream_t> all;
  {
    std::lock_guard const lock(machine::get().guard);
    all = machine::get().streams_of(device);
    for (auto* s : all) s->hold();
  }
  for (auto* s : all) {
    s->wait();
    s->let_go();
  }
}

}  // namespace cuda_on_host

namespace llep_fake_cuda = cuda_on_host;
