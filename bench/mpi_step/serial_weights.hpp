// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <llep/concepts/communicator.hpp>

namespace llep::bench {

/// A communicator whose weights are there when `post` returns: what a step costs without
/// overlapping them with rows and computing.
template <communicator C>
class serial_weights {
 public:
  using communicator_concept = communicator_tag;
  using device_type = typename C::device_type;
  using queue = typename device_type::queue;
  using ticket = std::optional<typename C::ticket>;  // none: waited for
  static constexpr bool places_segments = C::places_segments;
  static constexpr bool needs_progress = C::needs_progress;

  explicit serial_weights(C& group) : group_(&group) {}

  [[nodiscard]] rank_id rank() const noexcept { return group_->rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return group_->size(); }
  [[nodiscard]] device_type& device() noexcept { return group_->device(); }
  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    group_->all_gather(q, in, out, n);
  }
  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    ticket posted(group_->post(q, on, sends, receives, element_bytes));
    if (on == lane::weights) wait(q, std::exchange(posted, std::nullopt));
    return posted;
  }
  void wait(queue& q, ticket posted) {
    if (posted) group_->wait(q, std::move(*posted));
  }
  void progress() { group_->progress(); }
  [[nodiscard]] error abort(error const& why) noexcept { return group_->abort(why); }

 private:
  C* group_;
};

}  // namespace llep::bench
