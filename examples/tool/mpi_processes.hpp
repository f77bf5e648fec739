// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <mpi.h>

#include <llep/backends/emulated/run.hpp>
#include <llep/backends/mpi/communicator.hpp>

namespace llep::tool {

/// As host_threads, for the processes that mpiexec has started, a rank each. Rank 0 alone prints.
struct mpi_processes {
  static constexpr char const* words = "processes of an MPI job";
  static constexpr bool takes_turns = false;
  static constexpr char const* clock = "CPU";
  static constexpr bool exact = true;

  /// @throws input_error if there are more or fewer processes
  static std::shared_ptr<void> start(std::int64_t ranks);

  template <class Body>
  static void run(std::int32_t, emulated::options const&, Body body) {
    mpi::communicator<> group(MPI_COMM_WORLD);
    host_device::queue q;
    body(group, q);
  }

  static bool prints();

  static bool describes(rank_id) { return true; }  // each to its own process

  template <class T>
  static void gather(std::vector<T>& all) {
    gather(all.data(), static_cast<std::int64_t>(all.size()));
  }

 private:
  static void gather(float* all, std::int64_t count);
  static void gather(double* all, std::int64_t count);
  static void gather(std::int64_t* all, std::int64_t count);
};

}  // namespace llep::tool
