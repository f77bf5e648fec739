// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "complaints.hpp"
#include "dynamic_shared.hpp"
#include "fiber.hpp"
#include "grid.hpp"
#include "knobs.hpp"
#include "vector_types.hpp"
#include "warp.hpp"

namespace cuda_on_host {

enum class barrier_kind : std::uint8_t { plain, count, all, any };

/// Runs grids, block by block, on the thread that owns it. Each warp runs as far as it can before
/// the next does. A fiber that comes to the end of its thread takes the next one that hasn't
/// started, so that a block without barriers needs one fiber.
class block_runner {
 public:
  block_runner() = default;
  block_runner(block_runner const&) = delete;

  static block_runner*& current() {
    static constinit thread_local block_runner* runner = nullptr;
    return runner;
  }

  /// Whether it ran to its end.
  bool run(grid const& g) {
    current() = this;
    grid_ = &g;
    gave_up_ = false;
    gridDim = g.blocks;
    blockDim = g.threads;
    shape_threads();
    random_ = knobs().seed.load();
    for (unsigned z = 0; z < g.blocks.z; ++z)
      for (unsigned y = 0; y < g.blocks.y; ++y)
        for (unsigned x = 0; x < g.blocks.x && !gave_up_; ++x) {
          blockIdx = {x, y, z};
          dynamic_shared::start_block(g.shared_bytes);
          run_block();
          if (dynamic_shared::end_block(g.shared_bytes)) continue;
          gave_up_ = true;
          report_misuse(complaint_about_overrun(g));
        }
    dynamic_shared::end_grid();
    current() = nullptr;
    return !gave_up_;
  }

  // --- for the threads of the kernel ---

  unsigned lane() const { return running_thread_ % 32; }

  template <class Read>
  auto exchange(op_kind kind, std::uint32_t mask, std::uint64_t value, location at,
                Read const& read) {
    warp& w = warps_[running_thread_ / 32];
    if ((mask >> lane() & 1U) == 0) fail({"isn't in the mask of the operation it calls", at});
    w.wait_in_op(lane(), kind, mask, value, at);
    suspend();
    return w.look(lane(), read);
  }

  /// The number of threads whose value isn't 0.
  unsigned wait_at_barrier(barrier_kind kind, bool value, location at) {
    if (arrived_ == 0) {
      kind_ = kind;
      where_ = at;
    } else if (kind != kind_ || (at.line != where_.line && knobs().uniform_barriers.load())) {
      fail({"waits at a barrier while others wait at another", at, 0, where_.line});
    }
    ++arrived_;
    votes_ += value;
    warp& w = warps_[running_thread_ / 32];
    w.where[lane()] = at;
    w.at_barrier |= 1U << lane();
    suspend();
    return result_votes_;
  }
  unsigned threads_at_barrier() const { return result_arrived_; }

  /// Lets all others of the block run.
  void sleep() {
    warps_[running_thread_ / 32].sleeping |= 1U << lane();
    suspend();
  }

 private:
  void shape_threads() {
    dim3 const n = grid_->threads;
    threads_ = n.x * n.y * n.z;
    if (n.x == shape_.x && n.y == shape_.y && n.z == shape_.z) return;
    shape_ = n;
    index_.clear();
    for (unsigned z = 0; z < n.z; ++z)
      for (unsigned y = 0; y < n.y; ++y)
        for (unsigned x = 0; x < n.x; ++x) index_.push_back({x, y, z});
    fiber_of_.resize(threads_);
    unsigned const count = (threads_ + 31) / 32;
    if (warp_count_ < count) warps_ = std::make_unique<warp[]>(count);
    warp_count_ = std::max(warp_count_, count);
  }

  unsigned warps_here() const { return (threads_ + 31) / 32; }

  void run_block() {
    for (unsigned w = 0; w < warps_here(); ++w) warps_[w].restart(threads_ - 32 * w);
    done_ = arrived_ = votes_ = 0;
    for (;;) {
      bool const asleep = run_phase();
      if (gave_up_) return abandon();
      if (done_ == threads_) return;
      if (arrived_ + done_ == threads_) {
        release_barrier();
      } else if (asleep) {
        std::this_thread::yield();
      } else {
        return abandon();
      }
    }
  }

  /// Whether a thread sleeps.
  bool run_phase() {
    order(warp_order_, warps_here());
    order(lane_order_, 32);
    for (turn_ = 0, lane_turn_ = 0; turn_ < warps_here() && !gave_up_; ++turn_, lane_turn_ = 0) {
      warp& w = warp_in_turn();
      w.ready |= std::exchange(w.sleeping, 0U);
      run_warp_in_turn();
    }
    bool asleep = false;
    for (unsigned w = 0; w < warps_here(); ++w) asleep = asleep || warps_[w].sleeping != 0;
    return asleep;
  }

  warp& warp_in_turn() { return warps_[warp_order_[turn_]]; }

  /// As far as it goes; and those after it that run through without a wait.
  void run_warp_in_turn() {
    while (turn_ < warps_here() && !gave_up_) {
      warp& w = warp_in_turn();
      if (w.unstarted != 0) {
        run(*take_fiber());
      } else if (w.ready != 0) {
        for (unsigned i = 0; i < 32 && !gave_up_; ++i)
          if (unsigned const lane = lane_order_[i]; (w.ready >> lane & 1U) != 0) {
            w.ready &= ~(1U << lane);
            begin(warp_order_[turn_] * 32 + lane);
            run(*fiber_of_[running_thread_]);
            if (turn_ >= warps_here() || &w != &warp_in_turn()) break;
          }
      } else {
        auto const outcome = w.resolve();
        if (outcome == warp::outcome::nothing) return;
        if (outcome == warp::outcome::mixed) gave_up_ = true;
      }
    }
  }

  void order(std::vector<unsigned>& items, unsigned count) {
    items.resize(count);
    std::iota(items.begin(), items.end(), 0U);
    auto const seed = knobs().seed.load(std::memory_order_relaxed);
    if (seed == 1) std::reverse(items.begin(), items.end());
    if (seed > 1)
      for (unsigned i = count; i > 1; --i) std::swap(items[i - 1], items[draw(random_) % i]);
  }

  void release_barrier() {
    result_votes_ = votes_;
    result_arrived_ = arrived_;
    arrived_ = votes_ = 0;
    for (unsigned w = 0; w < warps_here(); ++w)
      warps_[w].ready |= std::exchange(warps_[w].at_barrier, 0U);
  }

  // --- fibers ---

  void begin(unsigned thread) {
    running_thread_ = thread;
    threadIdx = index_[thread];
  }

  void run(fiber& f) {
    running_ = &f;
    f.enter();
  }

  /// On a fiber: comes back when the thread may go on.
  void suspend() {
    fiber* const self = running_;
    fiber_of_[running_thread_] = self;
    self->leave();
  }

  fiber* take_fiber() {
    if (idle_.empty()) {
      auto const [stack, bytes] = stacks_.take();
      fibers_.push_back(std::make_unique<fiber>(stack, bytes, &fiber_main, this));
      return fibers_.back().get();
    }
    fiber* const f = idle_.back();
    idle_.pop_back();
    return f;
  }

  static void fiber_main(void* self) {
    auto& r = *static_cast<block_runner*>(self);
    for (;;) {
      while (r.begin_next()) {
        r.grid_->call(r.grid_->args);
        r.warps_[r.running_thread_ / 32].done |= 1U << r.lane();
        ++r.done_;
      }
      fiber* const f = r.running_;
      r.idle_.push_back(f);
      f->leave();
    }
  }

  /// The next thread that hasn't started; another warp's only if all of this one have ended.
  bool begin_next() {
    for (; turn_ < warps_here(); ++turn_, lane_turn_ = 0) {
      warp& w = warp_in_turn();
      while (w.unstarted != 0) {
        unsigned const lane = lane_order_[lane_turn_++];
        if ((w.unstarted >> lane & 1U) == 0) continue;
        w.unstarted &= ~(1U << lane);
        begin(warp_order_[turn_] * 32 + lane);
        return true;
      }
      if (w.done != w.lanes) return false;
    }
    return false;
  }

  // --- errors ---

  /// Doesn't come back.
  void fail(failure const& f) {
    failure_ = f;
    failure_.thread = running_thread_;
    gave_up_ = true;
    for (;;) suspend();
  }

  void complain() {
    auto const f = std::exchange(failure_, {});
    report_misuse(f.what != nullptr ? complaint(f, index_[f.thread])
                                    : complaint_about_hang({warps_.get(), warps_here()}, index_));
  }

  /// Leaves the stacks of threads that wait as they are, and all fibers new.
  void abandon() {
    complain();
    gave_up_ = true;
    idle_.clear();
    for (auto& f : fibers_) {
      f->restart();
      idle_.push_back(f.get());
    }
  }

  grid const* grid_ = nullptr;
  dim3 shape_{0, 0, 0};
  unsigned threads_ = 0, warp_count_ = 0;
  std::vector<uint3> index_;
  std::vector<fiber*> fiber_of_;
  std::unique_ptr<warp[]> warps_;
  stack_pool stacks_;
  std::vector<std::unique_ptr<fiber>> fibers_;
  std::vector<fiber*> idle_;

  std::vector<unsigned> warp_order_, lane_order_;
  unsigned turn_ = 0, lane_turn_ = 0;  // places in them
  std::uint64_t random_ = 0;
  fiber* running_ = nullptr;
  unsigned running_thread_ = 0;
  unsigned done_ = 0;
  bool gave_up_ = false;
  failure failure_;

  barrier_kind kind_{};
  location where_;
  unsigned arrived_ = 0, votes_ = 0, result_arrived_ = 0, result_votes_ = 0;
};

}  // namespace cuda_on_host
