// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "block.hpp"
#include "knobs.hpp"

// A stream: a thread that runs closures in the order they were put on it.

namespace cuda_on_host {

class capture;

class stream {
 public:
  explicit stream(int device, unsigned flags = 0)
      : device_(device), flags_(flags), worker_([this] { work(); }) {}
  stream(stream const&) = delete;
  stream& operator=(stream const&) = delete;
  /// Waits for all that was put on it, and for those who hold it.
  ~stream() {
    {
      std::unique_lock lock(guard_);
      changed_.wait(lock, [&] { return holders_ == 0; });
    }
    close();
    worker_.join();
  }

  int device() const { return device_; }
  unsigned flags() const { return flags_; }

  void enqueue(std::function<void()> op) {
    {
      std::lock_guard const lock(guard_);
      ops_.push_back(std::move(op));
      ++put_;
    }
    changed_.notify_all();
  }

  /// For what was put on it until now.
  void wait() {
    std::unique_lock lock(guard_);
    std::uint64_t const ticket = put_;
    changed_.wait(lock, [&] { return done_ >= ticket; });
  }
  /// Another thread than its owner's looks at it: it stays until it is let go.
  void hold() {
    std::lock_guard const lock(guard_);
    ++holders_;
  }
  void let_go() {
    std::lock_guard const lock(guard_);
    --holders_;
    changed_.notify_all();
  }
  bool idle() {
    std::lock_guard const lock(guard_);
    return done_ == put_;
  }
  /// Nothing may be put on it any more; what is there is still run.
  void close() {
    {
      std::lock_guard const lock(guard_);
      closed_ = true;
    }
    changed_.notify_all();
  }

  /// Of the stream whose thread this is.
  static block_runner*& runner() {
    static constinit thread_local block_runner* r = nullptr;
    return r;
  }

  std::shared_ptr<capture> capturing;  // guarded by machine::guard

 private:
  void work() {
    block_runner own;
    runner() = &own;
    std::uint64_t random = knobs().seed.load() + reinterpret_cast<std::uintptr_t>(this);
    std::unique_lock lock(guard_);
    for (;;) {
      changed_.wait(lock, [&] { return closed_ || !ops_.empty(); });
      if (ops_.empty()) return;
      auto op = std::move(ops_.front());
      ops_.pop_front();
      lock.unlock();
      if (unsigned const most = knobs().max_delay_us.load(); most != 0)
        std::this_thread::sleep_for(std::chrono::microseconds(draw(random) % (most + 1)));
      op();
      op = nullptr;  // what it holds is gone before anybody hears that it's done
      lock.lock();
      ++done_;
      changed_.notify_all();
    }
  }

  int device_;
  unsigned flags_;
  std::mutex guard_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> ops_;
  std::uint64_t put_ = 0, done_ = 0;
  int holders_ = 0;
  bool closed_ = false;
  std::thread worker_;
};

}  // namespace cuda_on_host

struct CUstream_st : cuda_on_host::stream {
  using stream::stream;
};
using cudaStream_t = CUstream_st*;

#define cudaStreamLegacy (reinterpret_cast<cudaStream_t>(0x1))
#define cudaStreamPerThread (reinterpret_cast<cudaStream_t>(0x2))
#define cudaStreamDefault 0x00U
#define cudaStreamNonBlocking 0x01U
