// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "clique.hpp"

// How a call gets from the host to its stream: by groups, and where ranks must connect first.

namespace nccl_on_host {

/// A call that a rank puts on a stream, once `ready` says that the ranks are there.
struct launch {
  std::shared_ptr<ncclComm> comm;
  cudaStream_t stream = nullptr;
  std::function<void()> offer;  // all three are called under the clique's guard but `run`
  std::function<bool()> ready;
  std::function<void(std::uint64_t number)> run;
};

/// What the thread has put together since ncclGroupStart.
struct group_state {
  int depth = 0;
  ncclResult_t met = ncclSuccess;
  struct part {
    std::shared_ptr<ncclComm> comm;
    cudaStream_t stream;
    std::vector<request> requests;
  };
  std::vector<part> parts;
  std::vector<std::shared_ptr<ncclComm>> beginning;  // communicators being made
};

inline group_state& this_group() {
  static thread_local group_state state;
  return state;
}

/// Groups that this thread has opened and not closed.
inline int open_groups() { return this_group().depth; }

inline ncclResult_t put(launch const& l) {
  std::uint64_t number = 0;
  {
    std::lock_guard const lock(l.comm->ranks->guard);
    number = l.comm->self->launched++;
  }
  auto const status = cuda_on_host::put(l.stream, [run = l.run, number] { run(number); });
  return status == cudaSuccess ? ncclSuccess : refuse(ncclUnhandledCudaError, "no such stream");
}

/// The host begins something that other ranks have to come to. Blocking communicators wait.
template <class Finish>
ncclResult_t begin(ncclComm const& c, std::function<bool()> ready, Finish finish) {
  std::unique_lock lock(c.ranks->guard);
  c.ranks->changed.notify_all();
  if (c.self->blocking) {
    c.ranks->changed.wait(lock, [&] { return c.self->aborted || ready(); });
    if (c.self->aborted) return refuse(ncclInternalError, "aborted");
    lock.unlock();
    return finish();
  }
  c.self->pending = [ready = std::move(ready)] { return ready(); };
  return ncclInProgress;
}

/// What the host has begun and NCCL goes on with by itself: here it does when it's asked.
inline ncclResult_t poll(ncclComm const& c) {
  std::unique_lock lock(c.ranks->guard);
  member& m = *c.self;
  if (m.rank == knobs().failing_rank.load()) {
    m.met = knobs().async_error.load();
    m.met_text = "an injected asynchronous error";
  }
  if (m.met != ncclSuccess) return refuse(m.met, m.met_text);
  if (!m.pending) return ncclSuccess;
  auto const pending = std::exchange(m.pending, nullptr);
  if (!pending()) {
    m.pending = pending;
    return ncclInProgress;
  }
  return m.met == ncclSuccess ? ncclSuccess : refuse(m.met, m.met_text);
}

/// Puts it on its stream; where ranks haven't connected yet, later.
inline ncclResult_t start(launch l) {
  clique& ranks = *l.comm->ranks;
  bool connected = false;
  {
    std::lock_guard const lock(ranks.guard);
    connected = l.ready();
    l.offer();
  }
  if (connected) return put(l);
  auto const finish = [l] { return put(l); };
  auto const begun = begin(*l.comm, l.ready, finish);
  if (begun != ncclInProgress) return begun;
  std::lock_guard const lock(ranks.guard);
  l.comm->self->pending = [l, &ranks] {
    if (!l.ready()) return false;
    ranks.guard.unlock();  // poll's
    static_cast<void>(put(l));
    ranks.guard.lock();
    return true;
  };
  return ncclInProgress;
}

inline ncclResult_t start(group_state::part part) {
  auto const comm = part.comm;
  std::set<int> peers;
  for (request const& r : part.requests) peers.insert(r.peer);
  auto& ranks = *comm->ranks;
  int const me = comm->self->rank;
  auto requests = std::make_shared<std::vector<request>>(std::move(part.requests));
  return start(launch{comm, part.stream,
                      [&ranks, peers, me] {
                        for (int const p : peers) ranks.offers.insert({me, p});
                        ranks.changed.notify_all();
                      },
                      [&ranks, peers, me] {
                        return std::all_of(peers.begin(), peers.end(), [&](int p) {
                          return p == me || ranks.connected(me, p);
                        });
                      },
                      [comm, requests](std::uint64_t number) {
                        comm->ranks->exchange(*comm->self, number, *requests);
                      }});
}

inline ncclResult_t end_group() {
  group_state& g = this_group();
  if (g.depth == 0) return refuse(ncclInvalidUsage, "ncclGroupEnd: no group is open");
  if (--g.depth > 0) return ncclSuccess;
  auto parts = std::exchange(g.parts, {});
  auto const beginning = std::exchange(g.beginning, {});
  auto result = std::exchange(g.met, ncclSuccess);
  if (auto const injected = injected_failure("ncclGroupEnd"); injected != ncclSuccess)
    result = injected;
  if (result != ncclSuccess) return result;  // nothing of it is launched
  auto const go_on = [&](ncclResult_t with) {
    if (result == ncclSuccess || (result == ncclInProgress && with != ncclSuccess)) result = with;
  };
  for (auto const& c : beginning) {
    auto& ranks = *c->ranks;
    go_on(begin(*c, [&ranks] { return ranks.complete(); }, [] { return ncclSuccess; }));
  }
  for (auto& part : parts) go_on(start(std::move(part)));
  return result;
}

}  // namespace nccl_on_host
