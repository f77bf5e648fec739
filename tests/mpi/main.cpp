// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include <catch2/catch_session.hpp>
#include <catch2/catch_test_case_info.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

#include <llep/backends/mpi/run.hpp>

// Every process runs the same test cases in the same order. Rank 0 reports; another rank only what
// has failed there. Any failure is everybody's exit code.

namespace {

std::ostringstream kept_report;

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

void show_kept_report() {
  std::fprintf(stderr, "rank %d:\n%s\n", world_rank(), kept_report.str().c_str());
}

/// All meet after each test case. A rank whose test case failed may have left the others in the
/// middle of it: it doesn't wait for them for long.
class meeting : public Catch::EventListenerBase {
 public:
  using EventListenerBase::EventListenerBase;

  void testCaseEnded(Catch::TestCaseStats const& ended) override {
    using clock = std::chrono::steady_clock;
    bool const failed = ended.totals.assertions.failed > 0;
    auto const deadline = clock::now() + std::chrono::seconds(10);
    MPI_Request everybody = MPI_REQUEST_NULL;
    MPI_Ibarrier(MPI_COMM_WORLD, &everybody);
    for (int here = 0; here == 0;) {
      MPI_Test(&everybody, &here, MPI_STATUS_IGNORE);
      if (!failed || here != 0 || clock::now() < deadline) continue;
      show_kept_report();
      llep::mpi::end_job({llep::errc::failed, "left the others in " + ended.testInfo->name},
                         world_rank());
    }
  }
};
CATCH_REGISTER_LISTENER(meeting)

}  // namespace

int main(int argc, char** argv) {
  int failed = 0;
  int const status = llep::mpi::run(argc, argv, [&](MPI_Comm world) {
    auto* const out = std::cout.rdbuf();
    if (world_rank() != 0) std::cout.rdbuf(kept_report.rdbuf());
    Catch::Session session;
    session.configData().runOrder = Catch::TestRunOrder::Declared;
    failed = session.run(argc, argv);
    std::cout.rdbuf(out);
    if (failed != 0 && world_rank() != 0) show_kept_report();
    MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, world);
  });
  return status != 0 ? status : failed;
}
