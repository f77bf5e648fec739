// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/emulated/group.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/device/host.hpp>

namespace llep::emulated {

/// What the dispatcher is to be told about messages.
enum class placement {
  segments,  ///< one message a piece, straight to its place: what shared memory and RDMA do
  packed,    ///< one message a peer, regrouped on arrival: what most networks want
};

/// Models llep::communicator for a rank among P in one process, over any device whose memory the
/// others' devices reach. `run` makes them.
///
/// Blocks    wait and all_gather, until the peers have posted; in turns every call may hand over.
/// Errors    a deadlock, and messages of a pair that differ in size, take the group down with an
///           error that names ranks, lanes and sequence numbers.
template <device D, placement Placement = placement::segments>
class communicator {
 public:
  using communicator_concept = communicator_tag;
  using device_type = D;
  using queue = typename D::queue;
  static constexpr bool places_segments = Placement == placement::segments;
  static constexpr bool needs_progress = false;

  class ticket {
   public:
    ticket(ticket&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
    ticket& operator=(ticket&& other) noexcept {
      std::swap(op_, other.op_);
      return *this;
    }
    ~ticket() = default;

   private:
    friend communicator;
    explicit ticket(operation<D>* op) : op_(op) {}
    operation<D>* op_;
  };

  communicator(std::shared_ptr<group<D>> shared, rank_id rank, D own_device)
      : group_(std::move(shared)), rank_(rank), device_(std::move(own_device)) {}

  [[nodiscard]] rank_id rank() const noexcept { return rank_; }
  [[nodiscard]] std::int32_t size() const noexcept { return group_->size(); }
  [[nodiscard]] D& device() noexcept { return device_; }

  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    sends_.clear();
    receives_.clear();
    for (rank_id peer = 0; peer < size(); ++peer) {
      if (peer == rank_) continue;
      sends_.push_back({peer, reinterpret_cast<std::byte const*>(in), n});
      receives_.push_back({peer, reinterpret_cast<std::byte*>(out + peer * n), n});
    }
    constexpr byte_count word = sizeof(std::int64_t);
    auto* const op = group_->post(device_, q, rank_, control_lane, sends_, receives_, word);
    device_.copy(q, out + rank_ * n, in, n * word);
    group_->wait(device_, q, rank_, op);
  }

  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    return ticket(group_->post(device_, q, rank_, static_cast<std::int32_t>(on), sends, receives,
                               element_bytes));
  }
  void wait(queue& q, ticket posted) {
    expects(posted.op_ != nullptr, "emulated: a ticket is waited for once");
    group_->wait(device_, q, rank_, posted.op_);
  }
  void progress() { group_->progress(device_, rank_); }
  [[nodiscard]] error abort(error const& why) noexcept {
    return group_->abort(device_, rank_, why);
  }

 private:
  std::shared_ptr<group<D>> group_;
  rank_id rank_;
  D device_;
  std::vector<outgoing> sends_;
  std::vector<incoming> receives_;
};
static_assert(llep::communicator<communicator<host_device, placement::segments>>);
static_assert(llep::communicator<communicator<host_device, placement::packed>>);

}  // namespace llep::emulated
