// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../cuda_on_host/machine.hpp"
#include "knobs.hpp"
#include "types.hpp"

// The ranks of a communicator, and what they do together.

namespace nccl_on_host {

/// A send or a receive, on its stream.
struct request {
  int peer = 0;
  void const* from = nullptr;
  void* to = nullptr;  // of a receive
  std::size_t bytes = 0;
  bool done = false;
};

/// A rank of it. Guarded by the clique.
struct member {
  int rank = 0;
  int device = 0;
  bool blocking = true;
  bool aborted = false;
  bool finalized = false;
  bool gone = false;               // aborted or destroyed
  ncclResult_t met = ncclSuccess;  // asynchronously
  std::string met_text;
  std::uint64_t launched = 0, finished = 0;  // calls, which run one after the other
  std::uint64_t gathers = 0, splits = 0;
  std::function<bool()> pending;  // goes on with what the host began; says whether that's done
};

class clique {
 public:
  explicit clique(int size) : members(static_cast<std::size_t>(size)) {}

  int size() const { return static_cast<int>(members.size()); }

  std::mutex guard;
  std::condition_variable changed;
  std::vector<std::shared_ptr<member>> members;

  // All of the following need guard.

  bool complete() const {
    return std::all_of(members.begin(), members.end(), [](auto const& m) { return m != nullptr; });
  }
  bool one_gpu_each() const {
    std::set<int> gpus;
    for (auto const& m : members) gpus.insert(m->device);
    return gpus.size() == members.size();
  }
  /// Of those that are there.
  template <class Test>
  bool all(Test test) const {
    return std::all_of(members.begin(), members.end(),
                       [&](auto const& m) { return m == nullptr || test(*m); });
  }

  /// Ranks connect when they first send to each other: both have to come.
  bool connected(int a, int b) const { return offers.contains({a, b}) && offers.contains({b, a}); }
  std::set<std::pair<int, int>> offers;

  struct gathering {
    std::map<int, std::vector<std::byte>> parts;
    int left = 0;
  };
  std::map<std::uint64_t, gathering> gatherings;
  struct splitting {
    std::map<int, std::pair<int, int>> wishes;    // color and key by rank
    std::map<int, std::shared_ptr<clique>> made;  // by color
  };
  std::map<std::uint64_t, splitting> splittings;

  // What streams run. Each begins when the member's call before has ended.

  void exchange(member& m, std::uint64_t number, std::vector<request>& all) {
    std::unique_lock lock(guard);
    in_turn(lock, m, number, [&] {
      for (request& r : all) {
        (r.to != nullptr ? receives_ : sends_)[pair_of(m, r)].push_back(&r);
        match(pair_of(m, r));
      }
      changed.notify_all();
      changed.wait(lock, [&] {
        return m.aborted ||
               std::all_of(all.begin(), all.end(), [](auto const& r) { return r.done; });
      });
      for (request& r : all)  // left by an abort: nobody touches its memory any more
        if (!r.done) std::erase((r.to != nullptr ? receives_ : sends_)[pair_of(m, r)], &r);
    });
  }

  void gather(member& m, std::uint64_t number, void const* in, void* out, std::size_t bytes) {
    std::unique_lock lock(guard);
    in_turn(lock, m, number, [&] {
      auto& g = gatherings[m.gathers++];
      auto const* const from = static_cast<std::byte const*>(in);
      g.parts[m.rank] = {from, from + bytes};
      changed.notify_all();
      changed.wait(lock, [&] { return m.aborted || std::ssize(g.parts) == size(); });
      for (auto const& [rank, part] : g.parts) {
        if (m.aborted) break;
        if (part.size() == bytes)
          std::memcpy(static_cast<std::byte*>(out) + static_cast<std::size_t>(rank) * bytes,
                      part.data(), bytes);
        else
          meet(m, "gathers other sizes than rank " + std::to_string(rank));
      }
      if (++g.left == size()) gatherings.erase(m.gathers - 1);
    });
  }

 private:
  template <class Body>
  void in_turn(std::unique_lock<std::mutex>& lock, member& m, std::uint64_t number, Body body) {
    changed.wait(lock, [&] { return m.aborted || m.finished == number; });
    if (!m.aborted) body();
    ++m.finished;
    changed.notify_all();
  }

  static std::pair<int, int> pair_of(member const& m, request const& r) {
    return r.to != nullptr ? std::pair(r.peer, m.rank) : std::pair(m.rank, r.peer);
  }

  void match(std::pair<int, int> pair) {
    auto& out = sends_[pair];
    auto& in = receives_[pair];
    while (!out.empty() && !in.empty()) {
      request& s = *out.front();
      request& r = *in.front();
      if (s.bytes != r.bytes) {  // both hang, until they abort
        auto const text = "rank " + std::to_string(pair.first) + " sends " +
                          std::to_string(s.bytes) + " bytes, rank " + std::to_string(pair.second) +
                          " wants " + std::to_string(r.bytes);
        for (int const rank : {pair.first, pair.second})
          meet(*members[static_cast<std::size_t>(rank)], text);
        return;
      }
      std::memcpy(r.to, s.from, s.bytes);
      s.done = r.done = true;
      out.pop_front();
      in.pop_front();
    }
  }

  static void meet(member& m, std::string text) {
    m.met = ncclInvalidUsage;
    m.met_text = std::move(text);
  }

  std::map<std::pair<int, int>, std::deque<request*>> sends_, receives_;  // by sender, receiver
};

}  // namespace nccl_on_host

struct ncclComm {
  std::shared_ptr<nccl_on_host::clique> ranks;
  std::shared_ptr<nccl_on_host::member> self;
};

namespace nccl_on_host {

/// The communicators that exist, and cliques by the number in their id.
class registry {
 public:
  static registry& get() {
    static registry& r = *new registry;
    return r;
  }

  ncclComm_t add(std::shared_ptr<clique> ranks, std::shared_ptr<member> self) {
    auto* const made = new ncclComm{std::move(ranks), std::move(self)};
    std::lock_guard const lock(guard_);
    comms_.insert(made);
    ++counts().communicators;
    return made;
  }
  /// Null if there is no such communicator: what a call on it gets is an error.
  std::shared_ptr<ncclComm> find(ncclComm_t c) {
    std::lock_guard const lock(guard_);
    if (comms_.contains(c)) return std::make_shared<ncclComm>(*c);
    ++counts().dead_handles;
    return nullptr;
  }
  void remove(ncclComm_t c) {
    std::lock_guard const lock(guard_);
    if (comms_.erase(c) == 0) return;
    delete c;
    --counts().communicators;
  }

  std::uint64_t new_id() {
    std::lock_guard const lock(guard_);
    return ++ids_;
  }
  std::shared_ptr<clique> clique_of(std::uint64_t id, int size) {
    std::lock_guard const lock(guard_);
    auto& found = cliques_[id];
    if (!found) found = std::make_shared<clique>(size);
    return found;
  }

 private:
  std::mutex guard_;
  std::set<ncclComm_t> comms_;
  std::uint64_t ids_ = 0;
  std::map<std::uint64_t, std::shared_ptr<clique>> cliques_;
};

}  // namespace nccl_on_host
