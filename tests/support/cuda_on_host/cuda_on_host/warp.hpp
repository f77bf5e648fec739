// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "grid.hpp"

// What up to 32 threads exchange. A lane puts down a value and waits; when all those of its mask
// that haven't exited have done so, they get one snapshot of all values, each at its own time.

namespace cuda_on_host {

enum class op_kind : std::uint8_t { sync, shuffle, vote, match, reduce };

inline char const* name_of(op_kind kind) {
  char const* const names[] = {"__syncwarp", "a shuffle", "a vote", "a match", "a reduction"};
  return names[static_cast<int>(kind)];
}

struct warp {
  struct snapshot {
    std::uint64_t values[32];
    std::uint32_t lanes;  // whose values these are
    int readers;          // who haven't looked yet
  };

  // Bit sets of lanes; each that exists is in one of these, or running.
  std::uint32_t lanes, unstarted, ready, sleeping, in_op, at_barrier, done;

  std::uint32_t op_mask[32];
  op_kind op[32];
  std::uint64_t value[32];
  std::uint8_t inbox[32];
  location where[32];  // it waits

  std::uint32_t free_snapshots;
  snapshot snapshots[32];  // each has a lane at least that hasn't gone on yet, so they suffice

  void restart(unsigned lane_count) {
    lanes = lane_count >= 32 ? 0xFFFFFFFFU : (1U << lane_count) - 1U;
    unstarted = lanes;
    ready = sleeping = in_op = at_barrier = done = 0;
    free_snapshots = 0xFFFFFFFFU;
  }

  void wait_in_op(unsigned lane, op_kind kind, std::uint32_t mask, std::uint64_t v, location at) {
    op_mask[lane] = mask;
    op[lane] = kind;
    value[lane] = v;
    where[lane] = at;
    in_op |= 1U << lane;
  }

  enum class outcome { nothing, some, mixed };  // mixed: lanes of one mask wait in different ops

  /// Makes ready who has met all its peers.
  outcome resolve() {
    outcome result = outcome::nothing;
    for (std::uint32_t left = in_op; left != 0;) {
      std::uint32_t const mask = op_mask[std::countr_zero(left)];
      op_kind const kind = op[std::countr_zero(left)];
      std::uint32_t const peers = mask & lanes & ~done;
      std::uint32_t here = 0;
      for (std::uint32_t rest = peers & left; rest != 0; rest &= rest - 1) {
        int const lane = std::countr_zero(rest);
        if (op_mask[lane] != mask) continue;
        if (op[lane] != kind) return outcome::mixed;
        here |= 1U << lane;
      }
      left &= ~here;
      if (here != peers) continue;
      deliver(peers);
      result = outcome::some;
    }
    return result;
  }

  /// For a lane that goes on: what read(snapshot) makes of it.
  template <class Read>
  auto look(unsigned lane, Read const& read) {
    unsigned const at = inbox[lane];
    auto const result = read(snapshots[at]);
    if (--snapshots[at].readers == 0) free_snapshots |= 1U << at;
    return result;
  }

 private:
  void deliver(std::uint32_t peers) {
    int const at = std::countr_zero(free_snapshots);
    free_snapshots &= free_snapshots - 1;
    snapshot& s = snapshots[at];
    std::memset(s.values, 0xFF, sizeof s.values);  // what a lane outside gives is undefined
    s.lanes = peers;
    s.readers = std::popcount(peers);
    for (std::uint32_t rest = peers; rest != 0; rest &= rest - 1) {
      int const lane = std::countr_zero(rest);
      s.values[lane] = value[lane];
      inbox[lane] = static_cast<std::uint8_t>(at);
    }
    in_op &= ~peers;
    ready |= peers;
  }
};

}  // namespace cuda_on_host
