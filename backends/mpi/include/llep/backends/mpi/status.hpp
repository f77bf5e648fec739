// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <llep/error.hpp>

namespace llep::mpi {

/// What `rank` was doing when MPI returned `status`, with MPI's own words for it. Its
/// native_status() is the status' error class.
[[nodiscard]] inline error failure(int status, std::string_view doing, rank_id rank,
                                   call_site at = call_site::here()) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  int kind = status;
  if (MPI_Error_string(status, text, &length) != MPI_SUCCESS) length = 0;
  if (MPI_Error_class(status, &kind) != MPI_SUCCESS) kind = status;
  std::string const words =
      length > 0 ? std::string(text, static_cast<std::size_t>(length)) : "an unknown status";
  return {errc::communication, "mpi: " + std::string(doing) + ": " + words, rank, kind, at};
}

/// Throws the failure unless `status` is MPI_SUCCESS.
inline void check(int status, std::string_view doing, rank_id rank,
                  call_site at = call_site::here()) {
  if (status != MPI_SUCCESS) throw failure(status, doing, rank, at);
}

/// Prints why on standard error, and ends the job, all ranks of it, with exit code 1.
[[noreturn]] inline void end_job(error const& why, rank_id rank) noexcept {
  if (why.rank() == no_rank)
    std::fprintf(stderr, "rank %d: %s\n", static_cast<int>(rank), why.what());
  else
    std::fprintf(stderr, "%s\n", why.what());
  std::fflush(stderr);
  int finalised = 0;
  if (MPI_Finalized(&finalised) == MPI_SUCCESS && finalised == 0) MPI_Abort(MPI_COMM_WORLD, 1);
  std::_Exit(1);
}

}  // namespace llep::mpi
