// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include <llep/backends/mpi/status.hpp>
#include <llep/error.hpp>

namespace llep::mpi {

namespace detail {

// Where all ranks meet before they leave. Not MPI_Barrier, even where it is waited for at once:
// that doesn't match the barrier of a rank that tests for it.
inline MPI_Request reach_end(MPI_Comm world) {
  MPI_Request everybody = MPI_REQUEST_NULL;
  MPI_Ibarrier(world, &everybody);
  return everybody;
}

// Whether all ranks get there, soon enough.
inline bool all_reach_end(MPI_Comm world, std::chrono::milliseconds patience) {
  auto const deadline = std::chrono::steady_clock::now() + patience;
  MPI_Request everybody = reach_end(world);
  int here = 0;
  while (MPI_Test(&everybody, &here, MPI_STATUS_IGNORE) == MPI_SUCCESS && here == 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace detail

/// What a process does between its start and its end: initialises MPI (MPI_THREAD_FUNNELED), calls
/// body(MPI_COMM_WORLD), finalises MPI.
///
/// Prints what `body` throws on standard error. Ranks that throw together, as they do what a
/// dispatcher has agreed on, end in order; where the others don't come to an end within `patience`
/// this one ends the job rather than wait for them.
/// @return 0, or 1 if `body` threw or MPI can't start or end: for main to return. Call it once.
template <class Body>
[[nodiscard]] int run(int& argc, char**& argv, Body body,
                      std::chrono::milliseconds patience = std::chrono::seconds(1)) {
  int level = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS) return 1;
  int rank = 0;
  // The body may leave messages of its own in MPI_COMM_WORLD, and another error handler. This one
  // keeps the default: whatever fails on it ends the job, so nobody looks at its calls' statuses.
  MPI_Comm world = MPI_COMM_NULL;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_dup(MPI_COMM_WORLD, &world);
  int result = 0;
  try {
    if (level < MPI_THREAD_FUNNELED)
      throw error(errc::communication, "mpi: has no MPI_THREAD_FUNNELED", rank);
    body(MPI_COMM_WORLD);
    MPI_Request everybody = detail::reach_end(world);  // a rank that throws late meets the others
    MPI_Wait(&everybody, MPI_STATUS_IGNORE);
  } catch (...) {
    error const why = current_error(rank);
    result = 1;
    if (!detail::all_reach_end(world, patience)) end_job(why, rank);
    std::fprintf(stderr, "%s\n", why.what());
  }
  MPI_Comm_free(&world);
  return MPI_Finalize() == MPI_SUCCESS ? result : 1;
}

}  // namespace llep::mpi
