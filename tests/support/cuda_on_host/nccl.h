// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "nccl_on_host/clique.hpp"
#include "nccl_on_host/group.hpp"
#include "nccl_on_host/knobs.hpp"
#include "nccl_on_host/types.hpp"

// NCCL among threads of one process, on cuda_on_host's streams: what llep::nccl calls of it, and
// near to how the real one behaves, also where that is awkward. nccl_on_host/README.md says in what.
// NOLINTBEGIN: names as in NCCL

namespace nccl_on_host::detail {

// f(communicator), unless there is none or the call is to fail.
template <class F>
ncclResult_t with(char const* name, ncclComm_t handle, F f) {
  if (auto const injected = injected_failure(name); injected != ncclSuccess) return injected;
  auto const c = registry::get().find(handle);
  if (!c) return refuse(ncclInvalidArgument, std::string(name) + ": no such communicator");
  return f(c);
}

inline ncclResult_t enter(ncclComm_t* made, std::shared_ptr<clique> ranks, int rank,
                          bool blocking) {
  auto self = std::make_shared<member>();
  self->rank = rank;
  self->blocking = blocking;
  if (cudaGetDevice(&self->device) != cudaSuccess) return ncclUnhandledCudaError;
  {
    std::lock_guard const lock(ranks->guard);
    auto& place = ranks->members[static_cast<std::size_t>(rank)];
    if (place) return refuse(ncclInvalidArgument, "a rank that is there already");
    place = self;
  }
  *made = registry::get().add(ranks, self);
  if (open_groups() > 0) {
    this_group().beginning.push_back(std::make_shared<ncclComm>(ncclComm{ranks, self}));
    return ncclSuccess;
  }
  auto const begun = begin(
      ncclComm{ranks, self},
      [ranks, self] {
        if (!ranks->complete()) return false;
        if (!ranks->one_gpu_each()) {
          self->met = ncclInvalidUsage;
          self->met_text = "Duplicate GPU detected";
        }
        return true;
      },
      [self] {
        return self->met == ncclSuccess ? ncclSuccess : refuse(self->met, self->met_text);
      });
  return begun;
}

inline std::uint64_t number_of(ncclUniqueId const& id) {
  std::uint64_t number = 0;
  std::memcpy(&number, id.internal, sizeof number);
  return number;
}

// A send, or a receive.
inline ncclResult_t message(char const* name, ncclComm_t handle, request r, cudaStream_t stream) {
  auto const put_down = with(name, handle, [&](auto const& c) {
    int device = -1;
    if (r.peer < 0 || r.peer >= c->ranks->size() || (r.from == nullptr && r.to == nullptr) ||
        cudaStreamGetDevice(stream, &device) != cudaSuccess || device != c->self->device)
      return refuse(ncclInvalidArgument, std::string(name) + ": invalid argument");
    ++counts().messages;
    if (open_groups() == 0) {
      ++counts().outside_group;
      return start(group_state::part{c, stream, {r}});
    }
    auto& parts = this_group().parts;
    auto const same = [&](auto const& p) { return p.comm->self == c->self && p.stream == stream; };
    auto found = std::find_if(parts.begin(), parts.end(), same);
    if (found == parts.end()) found = parts.insert(parts.end(), group_state::part{c, stream, {}});
    found->requests.push_back(r);
    return ncclSuccess;
  });
  if (open_groups() > 0 && put_down != ncclSuccess) this_group().met = put_down;
  return put_down;
}

// Nobody may use it any more.
inline void leave(ncclComm_t handle, ncclComm const& c, bool abort) {
  {
    std::unique_lock lock(c.ranks->guard);
    if (abort) c.self->aborted = true;
    c.self->pending = nullptr;
    c.ranks->changed.notify_all();
    // NCCL waits for the GPU: for all that it has put on streams, wherever in their order.
    c.ranks->changed.wait(lock, [&] { return c.self->finished == c.self->launched; });
    c.self->gone = true;
    c.ranks->changed.notify_all();
    if (abort && knobs().aborts_wait_for_peers)
      c.ranks->changed.wait(lock, [&] { return c.ranks->all([](auto& m) { return m.gone; }); });
  }
  registry::get().remove(handle);
}

}  // namespace nccl_on_host::detail

inline ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

inline char const* ncclGetErrorString(ncclResult_t result) {
  constexpr char const* text[] = {"no error",
                                  "unhandled cuda error",
                                  "unhandled system error",
                                  "internal error",
                                  "invalid argument",
                                  "invalid usage",
                                  "remote process exited or there was a network "
                                  "error",
                                  "NCCL operation in progress"};
  return result < ncclNumResults ? text[result] : "unknown result code";
}
inline char const* ncclGetLastError(ncclComm_t) {
  return nccl_on_host::detail::mine().last_error.c_str();
}

inline ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  if (auto const injected = nccl_on_host::injected_failure("ncclGetUniqueId");
      injected != ncclSuccess)
    return injected;
  *id = {};
  auto const number = nccl_on_host::registry::get().new_id();
  std::memcpy(id->internal, &number, sizeof number);
  return ncclSuccess;
}

inline ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                           ncclConfig_t* config) {
  using namespace nccl_on_host;
  if (auto const injected = injected_failure("ncclCommInitRankConfig"); injected != ncclSuccess)
    return injected;
  if (rank < 0 || rank >= ranks) return refuse(ncclInvalidArgument, "a rank out of range");
  return detail::enter(comm, registry::get().clique_of(detail::number_of(id), ranks), rank,
                       config == nullptr || config->blocking != 0);
}
inline ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(comm, ranks, id, rank, nullptr);
}
inline ncclResult_t ncclCommInitAll(ncclComm_t* comms, int ranks, int const* devices) {
  auto const all = std::make_shared<nccl_on_host::clique>(ranks);
  int before = 0;
  cudaGetDevice(&before);
  ++nccl_on_host::this_group().depth;
  for (int rank = 0; rank < ranks; ++rank) {
    cudaSetDevice(devices == nullptr ? rank : devices[rank]);
    static_cast<void>(nccl_on_host::detail::enter(&comms[rank], all, rank, true));
  }
  cudaSetDevice(before);
  return nccl_on_host::end_group();
}

/// As the real one, it writes the new communicator only when it is made.
inline ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t* made,
                                  ncclConfig_t* config) {
  using namespace nccl_on_host;
  return detail::with("ncclCommSplit", comm, [&](auto const& c) {
    *made = nullptr;
    bool const blocking = config == nullptr ? c->self->blocking : config->blocking != 0;
    std::uint64_t number = 0;
    {
      std::lock_guard const lock(c->ranks->guard);
      number = c->self->splits++;
      c->ranks->splittings[number].wishes[c->self->rank] = {color, key};
    }
    auto const make = [c, number, color, made, blocking] {
      auto const& s = c->ranks->splittings[number];
      if (std::ssize(s.wishes) < c->ranks->size()) return false;
      if (color == NCCL_SPLIT_NOCOLOR) return true;
      std::set<std::pair<int, int>> order;  // by key, then by rank
      for (auto const& [rank, wish] : s.wishes)
        if (wish.first == color) order.insert({wish.second, rank});
      auto& child = c->ranks->splittings[number].made[color];
      if (!child) child = std::make_shared<clique>(static_cast<int>(order.size()));
      auto self = std::make_shared<member>();
      self->device = c->self->device;
      self->blocking = blocking;
      for (auto const& [k, rank] : order) {
        if (rank == c->self->rank) break;
        ++self->rank;
      }
      child->members[static_cast<std::size_t>(self->rank)] = self;
      *made = registry::get().add(child, self);
      return true;
    };
    return begin(*c, make, [] { return ncclSuccess; });
  });
}

inline ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  using namespace nccl_on_host;
  return detail::with("ncclCommFinalize", comm, [](auto const& c) {
    {
      std::lock_guard const lock(c->ranks->guard);
      c->self->finalized = true;
    }
    auto const all_there = [c] {
      return c->self->finished == c->self->launched &&
             c->ranks->all([](auto const& m) { return m.finalized; });
    };
    return begin(*c, all_there, [] { return ncclSuccess; });
  });
}
inline ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return nccl_on_host::detail::with("ncclCommDestroy", comm, [&](auto const& c) {
    ++nccl_on_host::counts().destroys;
    nccl_on_host::detail::leave(comm, *c, false);
    return ncclSuccess;
  });
}
inline ncclResult_t ncclCommAbort(ncclComm_t comm) {
  return nccl_on_host::detail::with("ncclCommAbort", comm, [&](auto const& c) {
    ++nccl_on_host::counts().aborts;
    nccl_on_host::detail::leave(comm, *c, true);
    return ncclSuccess;
  });
}

inline ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* met) {
  return nccl_on_host::detail::with("ncclCommGetAsyncError", comm, [&](auto const& c) {
    *met = nccl_on_host::poll(*c);
    return ncclSuccess;
  });
}
inline ncclResult_t ncclCommCount(ncclComm_t comm, int* count) {
  return nccl_on_host::detail::with("ncclCommCount", comm, [&](auto const& c) {
    *count = c->ranks->size();
    return ncclSuccess;
  });
}
inline ncclResult_t ncclCommUserRank(ncclComm_t comm, int* rank) {
  return nccl_on_host::detail::with("ncclCommUserRank", comm, [&](auto const& c) {
    *rank = c->self->rank;
    return ncclSuccess;
  });
}
inline ncclResult_t ncclCommCuDevice(ncclComm_t comm, int* device) {
  return nccl_on_host::detail::with("ncclCommCuDevice", comm, [&](auto const& c) {
    *device = c->self->device;
    return ncclSuccess;
  });
}

inline ncclResult_t ncclGroupStart() {
  if (auto const injected = nccl_on_host::injected_failure("ncclGroupStart");
      injected != ncclSuccess)
    return injected;
  ++nccl_on_host::this_group().depth;
  return ncclSuccess;
}
inline ncclResult_t ncclGroupEnd() { return nccl_on_host::end_group(); }

inline ncclResult_t ncclSend(void const* from, std::size_t count, ncclDataType_t type, int peer,
                             ncclComm_t comm, cudaStream_t stream) {
  std::size_t const bytes = count * nccl_on_host::size_of(type);
  return nccl_on_host::detail::message("ncclSend", comm, {peer, from, nullptr, bytes}, stream);
}
inline ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer,
                             ncclComm_t comm, cudaStream_t stream) {
  std::size_t const bytes = count * nccl_on_host::size_of(type);
  return nccl_on_host::detail::message("ncclRecv", comm, {peer, nullptr, to, bytes}, stream);
}

/// Not inside a group, here.
inline ncclResult_t ncclAllGather(void const* in, void* out, std::size_t count, ncclDataType_t type,
                                  ncclComm_t comm, cudaStream_t stream) {
  using namespace nccl_on_host;
  return detail::with("ncclAllGather", comm, [&](auto const& c) {
    ++counts().gathers;
    int const me = c->self->rank;
    auto& ranks = *c->ranks;
    std::size_t const bytes = count * size_of(type);
    // All connect at the first one: each offers that to itself.
    return start(launch{c, stream,
                        [&ranks, me] {
                          ranks.offers.insert({me, me});
                          ranks.changed.notify_all();
                        },
                        [&ranks] {
                          return ranks.all([&](auto const& m) {
                            return ranks.offers.contains({m.rank, m.rank});
                          });
                        },
                        [c, in, out, bytes](std::uint64_t number) {
                          c->ranks->gather(*c->self, number, in, out, bytes);
                        }});
  });
}
// NOLINTEND
