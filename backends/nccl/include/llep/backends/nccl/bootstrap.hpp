// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nccl.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <llep/backends/nccl/lanes.hpp>
#include <llep/backends/nccl/options.hpp>
#include <llep/backends/nccl/status.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::nccl {

/// By what ranks find each other, a lane each; plain bytes, to be sent by any means.
using lane_ids = std::array<ncclUniqueId, lanes::count>;

/// For one rank to make and the others to be told.
[[nodiscard]] inline lane_ids make_ids() {
  lane_ids ids;
  for (ncclUniqueId& id : ids) check(ncclGetUniqueId(&id), "making an id");
  return ids;
}

namespace detail {

// Ends the wait for ranks that don't come.
[[nodiscard]] inline auto until_late(options const& how) {
  how.check();
  return [&how, began = std::chrono::steady_clock::now()] {
    if (auto const cause = how.board != nullptr ? how.board->cause() : std::nullopt)
      throw error(*cause);
    auto const waited = std::chrono::steady_clock::now() - began;
    if (how.timeout.count() > 0 && waited > how.timeout)
      throw error(errc::communication, "nccl: the other ranks didn't come to make a lane within " +
                                           std::to_string(how.timeout.count()) + " ms");
  };
}

// Makes a rank's lanes; make(l, of) makes lane l. Where that fails, ranks of this process are told
// before the lanes that there are go, all at once and for options::grace at most, as NCCL may need
// the peers for that.
template <class Make>
[[nodiscard]] lanes make_each(rank_id rank, options const& how, Make make) {
  comms made(how.grace);
  try {
    for (std::size_t l = 0; l < lanes::count; ++l) make(l, made[l]);
    return lanes(std::move(made));
  } catch (...) {
    if (how.board != nullptr) how.board->raise(current_error(rank));
    made.abort(how.grace);
    throw;
  }
}

}  // namespace detail

/// This rank's lanes, on the current GPU. Collective over `ranks` ranks, each with the same ids.
/// They aren't blocking, so that a rank that waits for its peers in NCCL still sees a failure.
/// @throws llep::error: communication where NCCL fails or a rank doesn't come in time; the board's
///         cause
[[nodiscard]] inline lanes make_lanes(lane_ids const& ids, std::int32_t ranks, rank_id rank,
                                      options const& how = {}) {
  return detail::make_each(rank, how, [&](std::size_t l, comm& made) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    auto const begun = ncclCommInitRankConfig(made.place(), ranks, ids[l], rank, &config);
    check(settled(begun, made.handle(), detail::until_late(how)),
          "making lane " + std::string(lanes::name(l)), rank);
  });
}

/// Likewise; broadcast(data, bytes) sends what rank 0 has there to all ranks: MPI_Bcast, say.
template <class Broadcast>
[[nodiscard]] lanes make_lanes(std::int32_t ranks, rank_id rank, Broadcast broadcast,
                               options const& how = {}) {
  struct {
    lane_ids ids;
    ncclResult_t status = ncclSuccess;
  } told;
  for (ncclUniqueId& id : told.ids)
    if (rank == 0 && told.status == ncclSuccess) told.status = ncclGetUniqueId(&id);
  broadcast(static_cast<void*>(&told), sizeof told);
  check(told.status, "making an id", 0);
  return make_lanes(told.ids, ranks, rank, how);
}

/// Likewise, of the ranks of a communicator of yours, by ncclCommSplit, which waits for all ranks,
/// however long. Yours is left as it was, and may be destroyed. The lanes block as it does: if it
/// does, then no timeout holds where ranks send to each other for the first time, either.
[[nodiscard]] inline lanes make_lanes(ncclComm_t of, options const& how = {}) {
  int rank = 0;
  check(ncclCommUserRank(of, &rank), "asking for the rank");
  return detail::make_each(rank, how, [&](std::size_t l, comm& made) {
    // NCCL writes it at the end, so nothing may throw before: there is no watch.
    auto const begun = ncclCommSplit(of, 0, rank, made.place(), nullptr);
    check(settled(begun, of, [] {}), "splitting off " + std::string(lanes::name(l)), rank);
  });
}

}  // namespace llep::nccl
