// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <llep/backends/emulated/operation.hpp>
#include <llep/backends/emulated/scheduler.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>

namespace llep::emulated {

/// What P ranks of one process share: mailboxes, the scheduler, and the cause they went down with.
///
/// A message has two ends; whoever posts the second one copies, on a side queue of its own and
/// outside the lock, after both ranks' queues have reached their posts.
template <device D>
class group {
 public:
  using queue = typename D::queue;

  group(std::int32_t ranks, options const& how)
      : scheduler_(ranks, how),
        members_(static_cast<std::size_t>(ranks)),
        boxes_(members_.size() * members_.size() * lanes) {}

  [[nodiscard]] std::int32_t size() const { return static_cast<std::int32_t>(members_.size()); }

  // a rank's life

  void start(rank_id rank) {
    scheduler::lock held(mutex_);
    scheduler_.start(held, rank);
  }
  /// Its last word. Posts that it didn't wait for may touch memory it has given up: that takes the
  /// group down.
  void leave(rank_id rank) {
    scheduler::lock held(mutex_);
    for (operation<D> const& op : member(rank).operations)
      if (!op.waited) go_down({errc::communication, "left without waiting for " + op.name(), rank});
    if (!scheduler_.leave(rank)) report_deadlock();
  }
  error abort(D& device, rank_id rank, error const& why) noexcept {
    scheduler::lock held(mutex_);
    go_down(why);
    quiesce(held, device, rank);
    return *cause_;
  }
  /// As abort, on behalf of a rank that has no device and has posted nothing.
  void give_up(error const& why) noexcept {
    scheduler::lock held(mutex_);
    go_down(why);
  }

  // messages

  void progress(D& device, rank_id rank) {
    scheduler::lock held(mutex_);
    enter(held, device, rank);
  }

  operation<D>* post(D& device, queue& q, rank_id rank, std::int32_t lane,
                     std::span<outgoing const> sends, std::span<incoming const> receives,
                     byte_count element_bytes) {
    scheduler::lock held(mutex_);
    enter(held, device, rank);
    check(rank, sends, receives, element_bytes);
    operation<D>& op = open(device, rank, lane, sends, receives, element_bytes);
    device.record(op.posted, q);
    auto& jobs = member(rank).jobs;
    jobs.clear();
    jobs.reserve(op.used);
    for (std::size_t i = 0; i < op.used; ++i)
      if (match(held, device, op.ends[i])) jobs.push_back(&op.ends[i]);
    copy(held, device, op, jobs);
    return &op;
  }

  void wait(D& device, queue& q, rank_id rank, operation<D>* op) {
    scheduler::lock held(mutex_);
    enter(held, device, rank);
    member(rank).waits_for = op;
    if (!scheduler_.block(held, rank, &op->open)) report_deadlock();
    member(rank).waits_for = nullptr;
    throw_if_down(held, device, rank);
    for (std::size_t i = 0; i < op->used; ++i) device.wait(q, op->ends[i].copied_by->done);
    op->waited = true;
    member(rank).idle[op->lane].push_back(op);
  }

 private:
  using end = endpoint<D>;

  // Ends that wait for their partners, of one (sender, receiver, lane); all of one kind.
  struct mailbox {
    end* first = nullptr;
    end* last = nullptr;
  };

  struct member_state {
    std::deque<operation<D>> operations;  // all it ever made
    // By lane, so that an event that is recorded again is so on the same side queue: who waits for
    // it late waits for more than it had to, never for less.
    std::vector<operation<D>*> idle[lanes];
    std::vector<end*> jobs;
    std::vector<queue> side;  // by lane
    std::int64_t sequence[lanes] = {};
    operation<D> const* waits_for = nullptr;
    std::int64_t in_flight = 0;  // copies under way that touch its memory
    std::condition_variable quiet;
  };

  member_state& member(rank_id rank) { return members_[static_cast<std::size_t>(rank)]; }

  void enter(scheduler::lock& held, D& device, rank_id rank) {
    if (!cause_) scheduler_.enter(held, rank);
    throw_if_down(held, device, rank);
  }

  void check(rank_id rank, std::span<outgoing const> sends, std::span<incoming const> receives,
             byte_count element_bytes) const {
    auto const fits = [&](auto const& m) {
      return m.peer >= 0 && m.peer < size() && m.peer != rank && m.count >= 1 && m.data != nullptr;
    };
    if (element_bytes < 1 || !std::all_of(sends.begin(), sends.end(), fits) ||
        !std::all_of(receives.begin(), receives.end(), fits))
      throw error(errc::invalid_argument,
                  "emulated: a message has a bad peer, count, data or element size", rank);
  }

  operation<D>& open(D& device, rank_id rank, std::int32_t lane, std::span<outgoing const> sends,
                     std::span<incoming const> receives, byte_count element_bytes) {
    member_state& me = member(rank);
    while (me.side.size() < lanes) me.side.push_back(device.make_queue());
    auto& idle = me.idle[lane];
    if (idle.empty()) {
      idle.reserve(me.operations.size() + 1);  // so that giving it back can't fail
      idle.push_back(&me.operations.emplace_back(device));
    }
    operation<D>& op = *idle.back();
    idle.pop_back();
    op.waited = false;
    op.rank = rank;
    op.lane = lane;
    op.sequence = me.sequence[lane]++;
    op.used = 0;
    auto const add = [&](rank_id peer, std::byte const* from, std::byte* to, std::int64_t count) {
      if (op.used == op.ends.size()) op.ends.emplace_back(device);
      end& e = op.ends[op.used++];
      e.owner = &op;
      e.partner = e.next = e.copied_by = nullptr;
      e.from = from;
      e.to = to;
      e.bytes = count * element_bytes;
      e.peer = peer;
    };
    for (outgoing const& m : sends) add(m.peer, m.data, nullptr, m.count);
    for (incoming const& m : receives) add(m.peer, nullptr, m.data, m.count);
    op.open = static_cast<std::int64_t>(op.used);
    return op;
  }

  // Joins `e` with its partner if that is posted; else leaves it in the mailbox.
  bool match(scheduler::lock& held, D& device, end& e) {
    bool const receives = e.to != nullptr;
    auto const src = static_cast<std::size_t>(receives ? e.peer : e.owner->rank);
    auto const dst = static_cast<std::size_t>(receives ? e.owner->rank : e.peer);
    mailbox& box =
        boxes_[(src * members_.size() + dst) * lanes + static_cast<std::size_t>(e.owner->lane)];
    if (box.first == nullptr || (box.first->to != nullptr) == receives) {
      (box.first == nullptr ? box.first : box.last->next) = &e;
      box.last = &e;
      return false;
    }
    end& other = *box.first;
    if (e.bytes != other.bytes) {
      go_down(mismatch(receives ? other : e, receives ? e : other));
      throw_if_down(held, device, e.owner->rank);
    }
    box.first = other.next;
    e.partner = &other;
    other.partner = &e;
    return true;
  }

  static error mismatch(end const& sent, end const& wanted) {
    return {errc::communication,
            std::string("sends ") + std::to_string(sent.bytes) + " bytes in " + sent.owner->name() +
                " where rank " + std::to_string(wanted.owner->rank) + " expects " +
                std::to_string(wanted.bytes) + " in " + wanted.owner->name(),
            sent.owner->rank};
  }

  // Copies what has just been matched. Until it is over both ends' memory must not go away.
  void copy(scheduler::lock& held, D& device, operation<D>& op, std::vector<end*> const& jobs) {
    if (jobs.empty()) return;
    queue& side = member(op.rank).side[static_cast<std::size_t>(op.lane)];
    auto const count = [&](std::int64_t by) {
      for (end const* e : jobs)
        for (rank_id const r : std::initializer_list<rank_id>{op.rank, e->peer}) {
          member(r).in_flight += by;
          if (member(r).in_flight == 0) member(r).quiet.notify_all();
        }
    };
    count(+1);
    try {
      held.unlock();
      device.wait(side, op.posted);
      for (end const* e : jobs) {
        device.wait(side, e->partner->owner->posted);
        bool const receives = e->to != nullptr;
        device.copy(side, receives ? e->to : e->partner->to, receives ? e->partner->from : e->from,
                    e->bytes);
      }
      held.lock();
      for (end* e : jobs) device.record(e->done, side);
    } catch (...) {
      if (!held.owns_lock()) held.lock();
      go_down(current_error(op.rank));
      reach_end(device, side);
      count(-1);
      throw error(*cause_);
    }
    for (end* e : jobs) {
      e->copied_by = e->partner->copied_by = e;
      --op.open;
      if (--e->partner->owner->open == 0) scheduler_.wake(e->peer);
    }
    count(-1);
  }

  // going down

  void go_down(error const& why) {
    if (cause_) return;
    cause_ = why;
    scheduler_.release_all();
  }

  void throw_if_down(scheduler::lock& held, D& device, rank_id rank) {
    if (!cause_) return;
    quiesce(held, device, rank);
    throw error(*cause_);
  }

  // Returns when no transfer touches the rank's memory any more; none begins once the group is
  // down.
  void quiesce(scheduler::lock& held, D& device, rank_id rank) {
    member(rank).quiet.wait(held, [&] { return member(rank).in_flight == 0; });
    for (operation<D>& op : member(rank).operations)
      for (std::size_t i = 0; i < op.used; ++i)
        if (op.ends[i].copied_by != nullptr) reach(device, op.ends[i].copied_by->done);
  }

  // A device that can't even wait is broken; the group is going down, and the first cause counts.
  static void reach(D& device, typename D::event& done) noexcept {
    try {
      device.sync(done);
    } catch (...) {
    }
  }
  static void reach_end(D& device, queue& side) noexcept {
    try {
      auto end_of_it = device.make_event();
      device.record(end_of_it, side);
      device.sync(end_of_it);
    } catch (...) {
    }
  }

  void report_deadlock() {
    std::string text = "deadlock: ";
    for (rank_id r = 0; r < size(); ++r) {
      if (r > 0) text += "; ";
      text += "rank " + std::to_string(r);
      if (scheduler_.gone(r))
        text += " has left";
      else if (member(r).waits_for != nullptr)
        text += " waits in " + member(r).waits_for->describe();
    }
    go_down({errc::deadlock, text});
  }

  std::mutex mutex_;
  scheduler scheduler_;
  std::deque<member_state> members_;  // a condition variable can't move
  std::vector<mailbox> boxes_;        // [sender][receiver][lane]
  std::optional<error> cause_;
};

}  // namespace llep::emulated
