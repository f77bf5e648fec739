// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <streambuf>
#include <string>
#include <thread>

#include <llep/kernel/loops.hpp>

#include "engine_list.hpp"
#include "input_error.hpp"
#include "mpi_processes.hpp"

namespace llep::tool {
namespace {

// Takes what is written, and leaves it.
class discarding : public std::streambuf {
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
};

int rank_of_process() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

// From MPI_Init to MPI_Finalize. A process that comes to its end by an exception waits a while for
// the others to come to theirs: then all have read the same bad input, and leave in order.
class session {
 public:
  session() {
    MPI_Init(nullptr, nullptr);
    MPI_Comm_dup(MPI_COMM_WORLD, &ours_);  // in which nothing else is under way at the end
    if (rank_of_process() == 0) return;
    static auto* const nothing = new discarding;  // std::cout is flushed when statics are gone
    std::cout.rdbuf(nothing);
    errors_ = std::cerr.rdbuf(nothing);
  }
  session(session const&) = delete;
  session& operator=(session const&) = delete;
  ~session() {
    if (std::uncaught_exceptions() > 0 && !all_end_soon()) {
      // The cause is printed where the exception is caught; mpiexec then ends the others, as this
      // process leaves without MPI_Finalize.
      if (errors_ != nullptr) std::cerr.rdbuf(errors_);
      return;
    }
    MPI_Comm_free(&ours_);
    MPI_Finalize();
    // The job's exit code is rank 0's: where another ends with an error mpiexec kills those that
    // are left, and rank 0 may not have printed yet.
    if (errors_ != nullptr) std::_Exit(0);
  }

 private:
  bool all_end_soon() {
    using clock = std::chrono::steady_clock;
    auto const deadline = clock::now() + std::chrono::seconds(5);
    MPI_Request everybody = MPI_REQUEST_NULL;
    MPI_Ibarrier(ours_, &everybody);
    for (int here = 0; here == 0;) {
      if (clock::now() > deadline) return false;
      MPI_Test(&everybody, &here, MPI_STATUS_IGNORE);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
  }

  MPI_Comm ours_ = MPI_COMM_NULL;
  std::streambuf* errors_ = nullptr;
};

// In parts, as MPI counts in int.
template <class T>
void add_up(T* all, std::int64_t count, MPI_Datatype type) {
  constexpr std::int64_t most = 1 << 28;
  for (std::int64_t first = 0; first < count; first += most)
    MPI_Allreduce(MPI_IN_PLACE, all + first, static_cast<int>(std::min(most, count - first)), type,
                  MPI_SUM, MPI_COMM_WORLD);
}

struct loops : mpi_processes {
  template <class Family>
  using kernel = loops_kernel<Family>;
};

}  // namespace

std::shared_ptr<void> mpi_processes::start(std::int64_t ranks) {
  auto running = std::make_shared<session>();
  int processes = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &processes);
  if (processes != ranks)
    throw input_error("--ranks: with --backend mpi as many as mpiexec has started, " +
                      std::to_string(processes) + ", not " + std::to_string(ranks));
  return running;
}

bool mpi_processes::prints() { return rank_of_process() == 0; }

void mpi_processes::gather(float* all, std::int64_t count) { add_up(all, count, MPI_FLOAT); }
void mpi_processes::gather(double* all, std::int64_t count) { add_up(all, count, MPI_DOUBLE); }
void mpi_processes::gather(std::int64_t* all, std::int64_t count) {
  add_up(all, count, MPI_INT64_T);
}

void add_mpi_engines(std::vector<engine>& list) {
  list.push_back(make_engine<loops>("mpi", "loops"));
}

}  // namespace llep::tool
