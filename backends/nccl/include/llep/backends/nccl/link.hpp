// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/backends/nccl/failure_board.hpp>
#include <llep/backends/nccl/lanes.hpp>
#include <llep/backends/nccl/options.hpp>
#include <llep/backends/nccl/patience.hpp>
#include <llep/backends/nccl/status.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::nccl {

/// A post, until it was waited for; then it serves for another one.
struct transfer {
  cuda::event done;
  std::size_t lane = 0;
  std::int64_t number = 0;  // among the lane's posts
  bool empty = false;
  bool waited = true;

  [[nodiscard]] std::string name() const {
    return std::string(lanes::name(lane)) + " #" + std::to_string(number);
  }
};

/// What a rank's communicator is whatever its device: lanes, side streams, posts, and how all of
/// that goes down. Calls, blocking and errors as at `communicator`. Stays where it is.
class link {
 public:
  /// Where it throws, the lanes are left as they were.
  link(lanes&& of, options how)
      : how_(std::move(how)),
        board_(how_.board != nullptr ? how_.board : std::make_shared<failure_board>()),
        patience_(how_.timeout),
        streams_(streams::made_on(of.device())),
        lanes_(std::move(of)) {}
  link(link const&) = delete;
  link& operator=(link const&) = delete;
  ~link() {
    try {
      end();
    } catch (...) {
      static_cast<void>(abort(current_error(rank())));
    }
  }

  [[nodiscard]] rank_id rank() const noexcept { return lanes_.rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return lanes_.size(); }

  void all_gather(cuda::queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    look();
    refuse_unless(q.device() == lanes_.device(), "a queue of another GPU than the lanes'");
    refuse_unless(n >= 0 && (n == 0 || (in != nullptr && out != nullptr)),
                  "all_gather takes 0 words or more, and memory for them");
    if (n == 0) return;
    or_go_down([&] {
      ++calls_[lanes::gather];
      auto const begun = ncclAllGather(in, out, static_cast<std::size_t>(n), ncclInt64,
                                       lanes_.handle(lanes::gather), q.stream());
      settle(begun, lanes::gather);
      cuda::check(cudaEventRecord(streams_.gathered.handle(), q.stream()), "cudaEventRecord");
    });
  }

  [[nodiscard]] transfer* post(cuda::queue& q, lane on, std::span<outgoing const> sends,
                               std::span<incoming const> receives, std::int64_t element_bytes) {
    look();
    refuse_unless(q.device() == lanes_.device(), "a queue of another GPU than the lanes'");
    refuse_unless(fit(sends, receives, element_bytes),
                  "a message has a bad peer, count, data or element size");
    return or_go_down([&] {
      transfer& t = idle_transfer(static_cast<std::size_t>(on));
      t.number = calls_[t.lane]++;
      t.empty = sends.empty() && receives.empty();
      t.waited = false;
      if (t.empty) return &t;
      cudaStream_t const side = streams_.side[t.lane].stream();
      cuda::check(cudaEventRecord(streams_.reached.handle(), q.stream()), "cudaEventRecord");
      cuda::check(cudaStreamWaitEvent(side, streams_.reached.handle(), 0), "cudaStreamWaitEvent");
      exchange(t.lane, sends, receives, element_bytes);
      cuda::check(cudaEventRecord(t.done.handle(), side), "cudaEventRecord");
      return &t;
    });
  }

  void wait(cuda::queue& q, transfer* posted) {
    look();
    refuse_unless(posted != nullptr, "a ticket is waited for once");
    or_go_down([&] {
      if (!posted->empty)
        cuda::check(cudaStreamWaitEvent(q.stream(), posted->done.handle(), 0),
                    "cudaStreamWaitEvent");
      posted->waited = true;
    });
  }

  /// Throws the cause if the group is down, or goes down now that a lane is found to have failed.
  void look() {
    patience_.renew();
    look_while_waiting();
  }

  /// For the host to call while it waits: likewise, also where it waits for too long.
  void watch() {
    look_while_waiting();
    if (!patience_.over()) return patience_.rest();
    std::string text = "nccl: waited " + std::to_string(how_.timeout.count()) +
                       " ms for what the peers should do; calls so far:";
    for (std::size_t l = 0; l < lanes::count; ++l)
      text += (l == 0 ? " " : ", ") + std::to_string(calls_[l]) + " of " + lanes::name(l);
    throw error(abort({errc::communication, text, rank()}));
  }

  error abort(error const& why) noexcept {
    error const cause = board_->raise(why);
    if (std::exchange(down_, true)) return cause;
    lanes_.abort(how_.grace);
    // A stream that can't be waited for is broken, and runs nothing; the cause counts.
    for (cuda::queue const& q : streams_.side) static_cast<void>(cudaStreamSynchronize(q.stream()));
    static_cast<void>(cudaEventSynchronize(streams_.gathered.handle()));
    return cause;
  }

 private:
  struct streams {
    std::array<cuda::queue, lanes::gather> side;  // by lane
    cuda::event reached;                          // by the user's queue, before a post
    cuda::event gathered;                         // the last all_gather; earlier ones end before

    [[nodiscard]] static streams made_on(int device) {
      cuda::on_device const here(device);
      return {};
    }
  };

  // Collective, where nothing speaks against it.
  void end() {
    transfer const* const left = under_way();
    bool const unwinding = std::uncaught_exceptions() > exceptions_;
    if (unwinding || left != nullptr)
      throw error(errc::communication,
                  (unwinding ? "nccl: left by an exception" : "nccl: left") +
                      (left != nullptr ? " without waiting for " + left->name() : ""),
                  rank());
    look();
    cuda::on_device const here(lanes_.device());
    lanes_.close([this] { look(); });
  }

  void look_while_waiting() {
    if (!board_->raised())
      if (auto const met = lanes_.failed()) board_->raise(*met);
    if (auto const cause = board_->cause()) throw error(abort(*cause));
  }

  // Where a precondition is broken nothing is sent. Posts that are under way are stopped: once a
  // call has thrown, their memory may go.
  void refuse_unless(bool kept, std::string_view rule) {
    if (kept) return;
    error const why(errc::invalid_argument, "nccl: " + std::string(rule), rank());
    throw error(under_way() == nullptr ? why : abort(why));
  }

  // Runs what puts work on the GPU. Where that throws, part of it may be there.
  template <class Body>
  std::invoke_result_t<Body> or_go_down(Body body) {
    try {
      cuda::on_device const here(lanes_.device());
      return body();
    } catch (...) {
      throw error(abort(current_error(rank())));
    }
  }

  // One group, so that NCCL runs all of it at once. It is closed before anything is thrown: an open
  // one would swallow whatever calls NCCL next.
  void exchange(std::size_t l, std::span<outgoing const> sends, std::span<incoming const> receives,
                std::int64_t element_bytes) {
    cudaStream_t const side = streams_.side[l].stream();
    auto const bytes = [&](std::int64_t n) { return static_cast<std::size_t>(n * element_bytes); };
    check(ncclGroupStart(), "opening a group", rank());
    ncclResult_t met = ncclSuccess;
    auto const going_on = [&] { return met == ncclSuccess || met == ncclInProgress; };
    for (outgoing const& m : sends)
      if (going_on())
        met = ncclSend(m.data, bytes(m.count), ncclInt8, m.peer, lanes_.handle(l), side);
    for (incoming const& m : receives)
      if (going_on())
        met = ncclRecv(m.data, bytes(m.count), ncclInt8, m.peer, lanes_.handle(l), side);
    ncclResult_t const closed = ncclGroupEnd();
    settle(going_on() ? closed : met, l);
  }

  // Until NCCL has put on the stream what a call asked for.
  void settle(ncclResult_t begun, std::size_t l) {
    auto const met = settled(begun, lanes_.handle(l), [this] { watch(); });
    patience_.renew();  // for the GPU it is another wait
    check(met, lanes::name(l), rank());
  }

  // The first idle one, so that the same calls find the same ones.
  [[nodiscard]] transfer& idle_transfer(std::size_t l) {
    for (transfer& t : posts_[l])
      if (t.waited) return t;
    return posts_[l].emplace_back(transfer{{}, l});
  }

  [[nodiscard]] transfer const* under_way() const noexcept {
    for (auto const& posts : posts_)
      for (transfer const& t : posts)
        if (!t.waited) return &t;
    return nullptr;
  }

  [[nodiscard]] bool fit(std::span<outgoing const> sends, std::span<incoming const> receives,
                         std::int64_t element_bytes) const {
    constexpr auto most = (std::numeric_limits<std::int64_t>::max)();
    auto const fits = [&](auto const& m) {
      return m.peer >= 0 && m.peer < size() && m.peer != rank() && m.data != nullptr &&
             m.count >= 1 && m.count <= most / element_bytes;
    };
    return element_bytes >= 1 && std::all_of(sends.begin(), sends.end(), fits) &&
           std::all_of(receives.begin(), receives.end(), fits);
  }

  options how_;
  std::shared_ptr<failure_board> board_;
  patience patience_;
  streams streams_;
  std::array<std::deque<transfer>, lanes::gather> posts_;
  std::array<std::int64_t, lanes::count> calls_{};
  int exceptions_ = std::uncaught_exceptions();
  bool down_ = false;
  lanes lanes_;  // the last: nothing throws any more once it is taken
};

}  // namespace llep::nccl
