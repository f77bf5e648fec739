// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>

#include <llep/concepts/communicator.hpp>
#include <llep/concepts/device.hpp>

namespace llep::emulated {

// What all_gather uses, besides the two lanes that the user sees.
inline constexpr std::int32_t control_lane = 2;
inline constexpr std::size_t lanes = 3;

inline char const* lane_name(std::int32_t lane) {
  constexpr char const* names[] = {"rows", "weights", "all_gather"};
  return names[lane];
}

template <device D>
struct operation;

/// One end of a message. Whoever posts the second end copies, and records `done` on its side queue.
template <device D>
struct endpoint {
  explicit endpoint(D& device) : done(device.make_event()) {}

  operation<D>* owner = nullptr;
  endpoint* partner = nullptr;    // the other end, once both are posted
  endpoint* next = nullptr;       // in the mailbox
  endpoint* copied_by = nullptr;  // the end whose `done` tells when the copy is over
  std::byte const* from = nullptr;
  std::byte* to = nullptr;  // set at the receiving end
  byte_count bytes = 0;
  rank_id peer = 0;
  typename D::event done;
};

/// One `post` of one rank. Its ends keep their addresses for good, as partners may look at an event
/// after the post was waited for; it is reused, so a steady step allocates nothing.
template <device D>
struct operation {
  explicit operation(D& device) : posted(device.make_event()) {}

  rank_id rank = 0;
  std::int32_t lane = 0;
  std::int64_t sequence = 0;  // posts of this rank on this lane before it
  std::size_t used = 0;       // ends in use
  std::int64_t open = 0;      // ends whose copy isn't over
  bool waited = true;         // nobody owes it a `wait`
  typename D::event posted;
  std::deque<endpoint<D>> ends;

  /// "rows #4".
  [[nodiscard]] std::string name() const {
    return std::string(lane_name(lane)) + " #" + std::to_string(sequence);
  }
  /// "rows #4 for rank 0, 2": what it is and whom it still waits for.
  [[nodiscard]] std::string describe() const {
    std::string text = name();
    char const* between = " for rank ";
    std::set<rank_id> peers;
    for (std::size_t i = 0; i < used; ++i)
      if (ends[i].copied_by == nullptr) peers.insert(ends[i].peer);
    for (rank_id const peer : peers) {
      text += between + std::to_string(peer);
      between = ", ";
    }
    return text;
  }
};

}  // namespace llep::emulated
