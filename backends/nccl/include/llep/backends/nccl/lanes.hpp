// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <llep/backends/nccl/status.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::nccl {

/// An NCCL communicator of ours: aborted at the end, unless it was closed or given away before.
class comm {
 public:
  comm() = default;
  explicit comm(ncclComm_t taken) noexcept : handle_(taken) {}
  comm(comm&& other) noexcept : handle_(other.release()) {}
  comm& operator=(comm&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~comm() {  // what fails here fails with whatever it is that leaves it
    if (handle_ != nullptr) static_cast<void>(ncclCommAbort(handle_));
  }

  [[nodiscard]] ncclComm_t handle() const noexcept { return handle_; }
  /// Where NCCL writes a new one; it may do so after the call.
  [[nodiscard]] ncclComm_t* place() noexcept { return &handle_; }
  [[nodiscard]] ncclComm_t release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  ncclComm_t handle_ = nullptr;
};

/// A rank's NCCL communicators, which end together: aborted, unless they were given away before.
class comms {
 public:
  static constexpr std::size_t count = 3;

  /// @param grace how long destruction waits for NCCL to free them
  explicit comms(std::chrono::milliseconds grace) : grace_(grace) {
    static_cast<void>(cudaGetDevice(&device_));  // -1 will do: NCCL knows where each one is
  }
  comms(comms&&) noexcept = default;
  comms& operator=(comms&& other) noexcept {
    std::swap(all_, other.all_);
    std::swap(device_, other.device_);
    std::swap(grace_, other.grace_);
    std::swap(under_way_, other.under_way_);
    return *this;
  }
  ~comms() { abort(grace_); }

  [[nodiscard]] comm& operator[](std::size_t l) noexcept { return all_[l]; }
  [[nodiscard]] comm const& operator[](std::size_t l) const noexcept { return all_[l]; }
  /// The GPU that they turned out to be on; before that is known, the current one at the beginning.
  void are_on(int device) noexcept { device_ = device; }

  /// Stops what is under way. All at once: NCCL stops a lane and then waits for the GPU, on which
  /// another lane may wait for its peers. Returns when they're freed, or `grace` is over: NCCL may
  /// wait for the peers to abort, too.
  void abort(std::chrono::milliseconds grace) noexcept {
    bool any = false;
    for (comm& c : all_) {
      ncclComm_t const of = c.release();
      if (of == nullptr) continue;
      any = true;
      under_way_->start();
      auto const stop = [of, device = device_, left = under_way_] {
        static_cast<void>(cudaSetDevice(device));  // no context is to begin on another GPU
        static_cast<void>(ncclCommAbort(of));      // there is a cause already
        left->end();
      };
      try {
        std::thread(stop).detach();
      } catch (...) {
        stop();
      }
    }
    if (any) under_way_->wait(grace);  // once: what is left behind then isn't waited for again
  }

 private:
  // Threads that free communicators; they may outlive the lanes.
  class countdown {
   public:
    void start() {
      std::lock_guard const held(mutex_);
      ++left_;
    }
    void end() {
      std::lock_guard const held(mutex_);
      if (--left_ == 0) none_.notify_all();
    }
    void wait(std::chrono::milliseconds most) {
      std::unique_lock held(mutex_);
      none_.wait_for(held, most, [&] { return left_ == 0; });
    }

   private:
    std::mutex mutex_;
    std::condition_variable none_;
    int left_ = 0;
  };

  std::array<comm, count> all_;
  int device_ = -1;
  std::chrono::milliseconds grace_;
  std::shared_ptr<countdown> under_way_ = std::make_shared<countdown>();  // abort can't make it
};

/// A rank's NCCL communicators: one for rows, one for weights, one for all_gather. NCCL runs the
/// calls on a communicator one after the other, so with fewer one would wait for another's peers.
class lanes {
 public:
  static constexpr std::size_t count = comms::count;
  static constexpr std::size_t gather = 2;  // before it the values of `lane`

  /// @throws llep::error: invalid_argument unless they are the same rank of as many, on one GPU;
  ///         communication where NCCL fails
  explicit lanes(std::array<comm, count> taken) : lanes(together(std::move(taken))) {}
  /// Likewise. Where it throws they are left as they were.
  explicit lanes(comms&& taken) : place_(place_of(taken)), comms_(std::move(taken)) {
    comms_.are_on(place_.device);
  }

  [[nodiscard]] rank_id rank() const noexcept { return place_.rank; }
  [[nodiscard]] std::int32_t size() const noexcept { return place_.size; }
  [[nodiscard]] int device() const noexcept { return place_.device; }
  [[nodiscard]] ncclComm_t handle(std::size_t l) const noexcept { return comms_[l].handle(); }
  [[nodiscard]] static char const* name(std::size_t l) noexcept {
    return l == gather ? "all_gather" : l == 0 ? "rows" : "weights";
  }

  /// What one of them has met since, if anything. A few reads.
  [[nodiscard]] std::optional<error> failed() const {
    for (std::size_t l = 0; l < count; ++l) {
      ncclResult_t met = ncclSuccess;
      if (comms_[l].handle() == nullptr) continue;
      auto const asked = ncclCommGetAsyncError(comms_[l].handle(), &met);
      if (asked != ncclSuccess) met = asked;
      if (met != ncclSuccess && met != ncclInProgress) return failure(met, name(l), rank());
    }
    return std::nullopt;
  }

  /// Waits for what is under way here, and for the peers to do the same; then frees them. `watch`
  /// is called meanwhile, and may throw; so does what NCCL returns.
  template <class Watch>
  void close(Watch watch) {
    for (std::size_t l = 0; l < count; ++l) {
      ncclComm_t const c = handle(l);
      check(settled(ncclCommFinalize(c), c, watch), "ending " + std::string(name(l)), rank());
    }
    for (std::size_t l = 0; l < count; ++l)
      check(ncclCommDestroy(comms_[l].release()), "freeing a lane", rank());
  }

  /// Stops what is under way, as comms::abort does.
  void abort(std::chrono::milliseconds grace) noexcept { comms_.abort(grace); }

 private:
  struct place {
    int size = 0;
    int rank = 0;
    int device = 0;

    [[nodiscard]] std::string text() const {
      return std::to_string(rank) + " of " + std::to_string(size) + " on GPU " +
             std::to_string(device);
    }
  };

  [[nodiscard]] static comms together(std::array<comm, count> taken) {
    comms all{std::chrono::seconds(10)};
    for (std::size_t l = 0; l < count; ++l) all[l] = std::move(taken[l]);
    return all;
  }

  [[nodiscard]] static place place_of(comms const& all) {
    std::array<place, count> found;
    for (std::size_t l = 0; l < count; ++l) found[l] = place_of(all[l].handle());
    for (place const& p : found)
      expects(p.size == found[0].size && p.rank == found[0].rank && p.device == found[0].device,
              "nccl: lanes must be the same rank of the same number of ranks on one GPU: rows " +
                  found[0].text() + ", weights " + found[1].text() + ", all_gather " +
                  found[2].text());
    return found[0];
  }
  [[nodiscard]] static place place_of(ncclComm_t c) {
    expects(c != nullptr, "nccl: a lane needs a communicator");
    place p;
    check(ncclCommCount(c, &p.size), "asking for the number of ranks");
    check(ncclCommUserRank(c, &p.rank), "asking for the rank");
    check(ncclCommCuDevice(c, &p.device), "asking for the GPU");
    return p;
  }

  place place_;
  comms comms_;
};

}  // namespace llep::nccl
