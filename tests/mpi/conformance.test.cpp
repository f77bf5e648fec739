// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include <cstdint>
#include <utility>

#include <llep/backends/mpi/communicator.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/kernel.hpp>
#include <llep/testing/layer.hpp>

#include "support/sanitizers.hpp"
#include "support/stream_device.hpp"

// The library's conformance suite. What it finds it throws on one rank, after all calls are made.

namespace {

using namespace llep;
using namespace llep::testing;

template <class Group>
void check_calls(Group group, std::uint64_t seeds) {
  auto q = group.device().make_queue();
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    CHECK_NOTHROW(check_communicator(group, q, seed));
  }
}

TEST_CASE("mpi: the communicator keeps its promises", "[mpi][conformance]") {
  check_calls(mpi::communicator(MPI_COMM_WORLD), cases(40));
}

TEST_CASE("mpi: the communicator keeps its promises where messages go in parts",
          "[mpi][conformance]") {
  int const most = GENERATE(250, 4096);  // Open MPI chokes on tens of thousands of messages
  CAPTURE(most);
  check_calls(mpi::communicator(MPI_COMM_WORLD, host_device(), {.most_message_bytes = most}),
              cases(20));
}

TEST_CASE("mpi: the communicator keeps its promises where memory is staged", "[mpi][conformance]") {
  check_calls(mpi::communicator(MPI_COMM_WORLD, stream_device()), cases(20));
  check_calls(mpi::communicator<host_device, mpi::access::staged>(MPI_COMM_WORLD), cases(20));
}

template <template <class> class Kernel, class Group, class Family>
void check_layers(Group group, Family const& family, std::uint64_t seeds) {
  auto q = group.device().make_queue();
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    CHECK_NOTHROW(check_layer(group, q, family, make_kernel_like<Kernel>(), seed));
  }
}

TEST_CASE("mpi: layers are the dense layer", "[mpi][conformance]") {
  check_layers<loops_kernel>(mpi::communicator(MPI_COMM_WORLD),
                             gptoss_expert<float>{{}, {}, 1.702, 0.75}, cases(20));
  check_layers<stream_kernel>(mpi::communicator(MPI_COMM_WORLD, stream_device()),
                              swiglu_expert<double>{}, 4);
}

}  // namespace
