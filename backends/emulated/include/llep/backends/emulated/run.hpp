// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <llep/backends/emulated/communicator.hpp>

namespace llep::emulated {

/// A limit that keeps a slip of the pen from asking for all memory: mailboxes take 48 P^2 bytes.
inline constexpr std::int32_t most_ranks = 2048;

/// How the ranks' bodies ended.
struct outcome {
  std::vector<std::exception_ptr> by_rank;  ///< what each threw, or null
  std::exception_ptr first;                 ///< what was thrown first, or null
};

/// Runs `body(communicator&)` as each of P ranks, a thread each, and returns when all have ended.
///
/// A body that throws takes the group down: the others' calls throw its error. So no rank is left
/// waiting, whatever a body does short of an endless loop of its own.
///
/// @param ranks 1 <= P <= most_ranks; some hundreds are fine
/// @param make_device called in each rank's thread; its result is the rank's device
/// @throws llep::error if P is out of range, or if a thread can't be started (those that were are
///         ended)
template <placement Placement = placement::segments, class MakeDevice, class Body>
[[nodiscard]] outcome try_run(std::int32_t ranks, MakeDevice make_device, Body body,
                              options const& how = {}) {
  // Longer than most: its parts are what a rank does, and starting and ending the threads.
  using device_type = decltype(make_device());
  expects(ranks >= 1 && ranks <= most_ranks, "emulated: takes 1 to 2048 ranks");
  auto const shared = std::make_shared<group<device_type>>(ranks, how);
  outcome ends{std::vector<std::exception_ptr>(static_cast<std::size_t>(ranks)), nullptr};
  std::mutex first_end;
  auto const note = [&](rank_id rank) {
    std::lock_guard const held(first_end);
    ends.by_rank[static_cast<std::size_t>(rank)] = std::current_exception();
    if (!ends.first) ends.first = std::current_exception();
    return current_error(rank);
  };
  auto const live = [&](rank_id rank) {
    shared->start(rank);
    try {
      communicator<device_type, Placement> mine(shared, rank, make_device());
      try {
        body(mine);
      } catch (...) {
        static_cast<void>(mine.abort(note(rank)));
      }
    } catch (...) {  // no device, no communicator
      shared->give_up(note(rank));
    }
    shared->leave(rank);
  };

  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(ranks));
  try {
    for (rank_id rank = 0; rank < ranks; ++rank) threads.emplace_back(live, rank);
  } catch (...) {  // no more threads, or no memory for them
    auto const started = std::ssize(threads);
    error const why(errc::failed, "emulated: only " + std::to_string(started) + " threads for " +
                                      std::to_string(ranks) + " ranks");
    shared->give_up(why);
    for (auto rank = static_cast<rank_id>(started); rank < ranks; ++rank) shared->leave(rank);
    for (std::thread& t : threads) t.join();
    throw why;
  }
  for (std::thread& t : threads) t.join();
  return ends;
}

/// As above, on host devices.
template <placement Placement = placement::segments, class Body>
[[nodiscard]] outcome try_run(std::int32_t ranks, Body body, options const& how = {}) {
  return try_run<Placement>(ranks, [] { return host_device(); }, body, how);
}

/// As try_run, and throws what was thrown first, if anything was.
template <placement Placement = placement::segments, class MakeDevice, class Body>
void run(std::int32_t ranks, MakeDevice make_device, Body body, options const& how = {}) {
  if (auto const ends = try_run<Placement>(ranks, make_device, body, how); ends.first)
    std::rethrow_exception(ends.first);
}
template <placement Placement = placement::segments, class Body>
void run(std::int32_t ranks, Body body, options const& how = {}) {
  run<Placement>(ranks, [] { return host_device(); }, body, how);
}

}  // namespace llep::emulated
