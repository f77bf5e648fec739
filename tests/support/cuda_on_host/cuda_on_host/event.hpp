// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "capture.hpp"

namespace cuda_on_host {

/// One record of an event: what waits for it keeps it, whatever happens to the event.
class moment {
 public:
  void happen() {
    {
      std::lock_guard const lock(guard_);
      at_ = std::chrono::steady_clock::now();
      done_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(guard_);
    changed_.wait(lock, [&] { return done_; });
  }
  bool done() {
    std::lock_guard const lock(guard_);
    return done_;
  }
  std::chrono::steady_clock::time_point at() {
    std::lock_guard const lock(guard_);
    return at_;
  }

 private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool done_ = false;
  std::chrono::steady_clock::time_point at_;
};

struct event {  // guarded by machine::guard
  int device = 0;
  unsigned flags = 0;
  std::shared_ptr<moment> last;  // null: never recorded, or last in a capture
  std::shared_ptr<capture> in;   // the capture it was last recorded in
  point reached;                 // there
};

}  // namespace cuda_on_host

struct CUevent_st : cuda_on_host::event {};
using cudaEvent_t = CUevent_st*;

#define cudaEventDefault 0x00U
#define cudaEventBlockingSync 0x01U
#define cudaEventDisableTiming 0x02U
#define cudaEventInterprocess 0x04U
#define cudaEventRecordDefault 0x00U
#define cudaEventRecordExternal 0x01U
#define cudaEventWaitDefault 0x00U
#define cudaEventWaitExternal 0x01U
