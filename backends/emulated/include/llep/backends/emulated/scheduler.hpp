// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::emulated {

/// How the ranks of one process share it.
enum class scheduling {
  concurrent,  ///< one thread a rank, really parallel: for races and wall clock
  turns,       ///< exactly one rank runs; a seed picks the next at every communicator call
};

struct options {
  scheduling how = scheduling::concurrent;
  std::uint64_t seed = 0;  ///< of `turns`: the same seed gives the same interleaving
};

/// Says which rank may run, and notices when none can. All calls hold the group's mutex.
///
/// A rank is running, waiting for a count to reach 0, or gone. When no rank is running and no
/// waiting one can go on, that is a deadlock, in both ways of scheduling.
class scheduler {
 public:
  using lock = std::unique_lock<std::mutex>;

  scheduler(std::int32_t ranks, options const& how)
      : seats_(static_cast<std::size_t>(ranks)),
        turns_(how.how == scheduling::turns),
        state_(how.seed) {
    if (turns_) current_ = pick();
  }

  /// The rank's first and last words. `start` returns when the rank may run.
  void start(lock& held, rank_id rank) { await_turn(held, rank); }
  /// False: those that are left can't go on.
  [[nodiscard]] bool leave(rank_id rank) {
    seat(rank).gone = true;
    if (turns_ && current_ == rank) current_ = no_rank;
    return hand_over();
  }

  /// Every communicator call begins here: in turns, the place where ranks change (and where a
  /// virtual clock charges the work since the last call).
  void enter(lock& held, rank_id rank) {
    if (!turns_) return;
    current_ = pick();
    wake(current_);
    await_turn(held, rank);
  }

  /// Waits until *open is 0 or everybody is released. False: nobody can go on, nor will this rank.
  [[nodiscard]] bool block(lock& held, rank_id rank, std::int64_t const* open) {
    seat(rank).open = open;
    while (*open != 0 && !released_) {
      if (turns_) current_ = no_rank;
      if (!hand_over()) {
        seat(rank).open = nullptr;
        if (turns_) current_ = rank;
        return false;
      }
      if (turns_)
        await_turn(held, rank);
      else
        seat(rank).wakened.wait(held, [&] { return *open == 0 || released_; });
    }
    seat(rank).open = nullptr;
    return true;
  }

  /// Somebody changed what `rank` may be waiting for.
  void wake(rank_id rank) {
    if (rank != no_rank) seat(rank).wakened.notify_one();
  }

  /// From now on nobody waits for anything.
  void release_all() {
    released_ = true;
    for (rank_id r = 0; r < std::ssize(seats_); ++r) wake(r);
    hand_over();
  }

  [[nodiscard]] bool gone(rank_id rank) const {
    return seats_[static_cast<std::size_t>(rank)].gone;
  }

 private:
  struct seat_state {
    std::condition_variable wakened;
    std::int64_t const* open = nullptr;  // what the rank waits for, if it waits
    bool gone = false;
  };

  seat_state& seat(rank_id rank) { return seats_[static_cast<std::size_t>(rank)]; }

  [[nodiscard]] bool can_run(seat_state const& s) const {
    return !s.gone && (released_ || s.open == nullptr || *s.open == 0);
  }

  // Gives the turn to somebody, if it is free. False: some are left, but none of them can run.
  bool hand_over() {
    if (turns_ && current_ != no_rank) return true;
    rank_id const next = pick();
    if (turns_) {
      current_ = next;
      wake(next);
    }
    if (next != no_rank) return true;
    for (seat_state const& s : seats_)
      if (!s.gone) return false;
    return true;
  }

  void await_turn(lock& held, rank_id rank) {
    if (turns_) seat(rank).wakened.wait(held, [&] { return current_ == rank; });
  }

  // A rank that can run, each as likely; no_rank if there is none. O(P).
  rank_id pick() {
    std::uint64_t able = 0;
    for (seat_state const& s : seats_) able += can_run(s) ? 1U : 0U;
    if (able == 0) return no_rank;
    if (!turns_) return 0;  // that there is one is all that matters
    std::uint64_t left = next_random() % able;
    for (rank_id r = 0;; ++r)
      if (can_run(seat(r)) && left-- == 0) return r;
  }

  // splitmix64 (Steele, Lea, Flood 2014)
  std::uint64_t next_random() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  std::deque<seat_state> seats_;  // a condition variable can't move
  bool turns_;
  std::uint64_t state_;
  rank_id current_ = no_rank;  // in turns: who runs
  bool released_ = false;
};

}  // namespace llep::emulated
