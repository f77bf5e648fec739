// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

/// What has gone one way between this rank and others.
struct traffic {
  std::int64_t messages = 0;
  byte_count bytes = 0;

  traffic& operator+=(traffic const& more) {
    messages += more.messages;
    bytes += more.bytes;
    return *this;
  }
  friend constexpr bool operator==(traffic const&, traffic const&) = default;
};

/// Calls of all_gather, and the words that this rank gave in them; every peer gave as many.
struct gather_traffic {
  std::int64_t calls = 0;
  std::int64_t words = 0;

  friend constexpr bool operator==(gather_traffic const&, gather_traffic const&) = default;
};

/// A communicator that counts what a rank posts through another one: messages and bytes by peer,
/// lane and direction, and what is gathered. For a dispatcher in place of that one.
///
/// Borrows the communicator, which stays where it is; one that counts itself is named,
/// counting<counting<C>>. A post counts once it has been accepted,
/// whether or not its data is there yet; one that throws doesn't.
/// Cost: O(messages) a post, no allocation after construction; 64 P bytes.
template <communicator C>
class counting {
 public:
  using communicator_concept = communicator_tag;
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using ticket = typename C::ticket;
  static constexpr bool places_segments = C::places_segments;
  static constexpr bool needs_progress = C::needs_progress;

  // Moves only: of a counting<C>, `counting(c)` would copy what was counted.
  counting(counting&&) noexcept = default;
  counting& operator=(counting&&) noexcept = default;
  explicit counting(C& group)
      : group_(&group),
        sent_(static_cast<std::size_t>(group.size()) * lanes),
        received_(sent_.size()) {}

  /// To and from a peer, on a lane; peers in [0, P), never this rank's own.
  [[nodiscard]] traffic sent(rank_id peer, lane on) const { return sent_[at(peer, on)]; }
  [[nodiscard]] traffic received(rank_id peer, lane on) const { return received_[at(peer, on)]; }
  /// To and from all of them. O(P).
  [[nodiscard]] traffic sent(lane on) const { return sum(sent_, on); }
  [[nodiscard]] traffic received(lane on) const { return sum(received_, on); }
  [[nodiscard]] gather_traffic gathered() const { return gathered_; }

  /// Forgets what was counted. This rank's own affair.
  void reset() {
    sent_.assign(sent_.size(), {});
    received_.assign(received_.size(), {});
    gathered_ = {};
  }

  [[nodiscard]] rank_id rank() const noexcept { return group_->rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return group_->size(); }
  [[nodiscard]] device_type& device() noexcept { return group_->device(); }

  void all_gather(queue_type& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    group_->all_gather(q, in, out, n);
    ++gathered_.calls;
    gathered_.words += n;
  }
  [[nodiscard]] ticket post(queue_type& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    ticket posted = group_->post(q, on, sends, receives, element_bytes);
    for (outgoing const& m : sends) sent_[at(m.peer, on)] += {1, m.count * element_bytes};
    for (incoming const& m : receives) received_[at(m.peer, on)] += {1, m.count * element_bytes};
    return posted;
  }
  void wait(queue_type& q, ticket posted) { group_->wait(q, std::move(posted)); }
  void progress() { group_->progress(); }
  [[nodiscard]] error abort(error const& why) noexcept { return group_->abort(why); }

 private:
  static constexpr std::size_t lanes = 2;

  static std::size_t at(rank_id peer, lane on) {
    return static_cast<std::size_t>(peer) * lanes + static_cast<std::size_t>(on);
  }
  [[nodiscard]] traffic sum(std::vector<traffic> const& by_peer, lane on) const {
    traffic all;
    for (rank_id p = 0; p < size(); ++p) all += by_peer[at(p, on)];
    return all;
  }

  C* group_;
  std::vector<traffic> sent_, received_;  // [P][lanes]
  gather_traffic gathered_;
};

}  // namespace llep
