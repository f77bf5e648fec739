// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/nccl/lanes.hpp>
#include <llep/backends/nccl/link.hpp>
#include <llep/backends/nccl/options.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>

namespace llep::nccl {

/// A device of a GPU, whose `sync` calls a watch while the host waits: llep::cuda::device, or one
/// like it.
// clang-format off
template <class D>
concept gpu_device =
    llep::device<D> &&
    std::same_as<typename D::queue, cuda::queue> &&
    std::same_as<typename D::event, cuda::event> &&
    requires(D& device, D const& view, std::function<void()> watch) {
      { view.ordinal() } noexcept -> std::same_as<int>;
      { device.set_watch(std::move(watch)) } -> std::same_as<void>;
    };
// clang-format on

/// Models llep::communicator over NCCL, 2.18 or newer, for a rank on a GPU of its own.
///
/// Blocks    Nothing waits for q or the peers but: post, the first time that two ranks send to each
///           other on a lane, and all_gather the first time, as NCCL connects them then; and
///           construction and destruction, which are collective.
/// Errors    What NCCL meets meanwhile is seen by every call, and while the host waits in
///           device().sync, which throws it, too, as it does when the wait lasts for longer than
///           options::timeout, and what a rank of the same process failed with (options::board).
///           Other waits of yours (cudaStreamSynchronize) see none of it. Whatever is thrown,
///           refusals while nothing is under way excepted, has taken the group down: lanes are
///           aborted, and nothing of theirs runs on the GPU.
///           Besides, invalid_argument for what breaks the contract: nothing is sent then.
/// Threads   one at a time; not while it is inside a group of NCCL's (ncclGroupStart).
template <gpu_device D>
class communicator {
 public:
  using communicator_concept = communicator_tag;
  using device_type = D;
  using queue = cuda::queue;
  static constexpr bool places_segments = false;
  static constexpr bool needs_progress = false;

  class ticket {
   public:
    ticket(ticket&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    ticket& operator=(ticket&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~ticket() = default;

   private:
    friend communicator;
    explicit ticket(transfer* of) : of_(of) {}
    transfer* of_;
  };

  /// Takes the lanes over: `make_lanes` makes them of whatever brought the ranks together.
  /// Where it throws they are aborted, and the cause stands on options::board.
  /// @throws llep::error (invalid_argument) unless the device is that of the lanes
  communicator(lanes of, D own_device, options how = {}) {
    try {
      how.check();
      expects(of.device() == own_device.ordinal(),
              "nccl: the lanes are of GPU " + std::to_string(of.device()) + ", the device is GPU " +
                  std::to_string(own_device.ordinal()));
      state_ = std::make_unique<state>(std::move(own_device), std::move(of), how);
      device().set_watch([ranks = &state_->ranks] { ranks->watch(); });
    } catch (...) {
      error const why = current_error(of.rank());
      if (how.board != nullptr) how.board->raise(why);
      if (state_ != nullptr) static_cast<void>(state_->ranks.abort(why));
      of.abort(how.grace);  // of what the state hasn't taken
      throw;
    }
  }
  communicator(communicator&&) noexcept = default;
  communicator& operator=(communicator&& other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  /// Waits until all ranks come to it. Where the group is down, an exception leaves it or a ticket
  /// wasn't waited for, the group goes down instead; the cause stands on options::board.
  ~communicator() = default;

  [[nodiscard]] rank_id rank() const noexcept { return state_->ranks.rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return state_->ranks.size(); }
  [[nodiscard]] D& device() noexcept { return state_->device; }

  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    state_->ranks.all_gather(q, in, out, n);
  }
  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    return ticket(state_->ranks.post(q, on, sends, receives, element_bytes));
  }
  void wait(queue& q, ticket posted) { state_->ranks.wait(q, posted.of_); }
  /// Looks for what NCCL has met meanwhile: transfers move on by themselves.
  void progress() { state_->ranks.look(); }
  /// Waits until nothing of the lanes runs on the GPU, and at most options::grace for NCCL.
  [[nodiscard]] error abort(error const& why) noexcept { return state_->ranks.abort(why); }

 private:
  // Stays where it is when the communicator is moved; the device's watch knows `ranks`.
  struct state {
    state(D own_device, lanes&& of, options how)
        : device(std::move(own_device)), ranks(std::move(of), std::move(how)) {}

    D device;
    link ranks;
  };

  std::unique_ptr<state> state_;
};

}  // namespace llep::nccl
