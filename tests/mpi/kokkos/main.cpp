// SPDX-License-Identifier: Apache-2.0
#include <Kokkos_Core.hpp>

#include <cstdint>
#include <cstdio>

#include <llep/backends/mpi/communicator.hpp>
#include <llep/backends/mpi/run.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/kernel.hpp>
#include <llep/testing/layer.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/sanitizers.hpp"

// A rank is a process with a Kokkos device. A promise that isn't kept is thrown on the rank that
// finds it, with its seed, and is then everybody's exit code.

namespace {

using namespace llep;
using namespace llep::testing;

template <mpi::access Access>
void check(char const* name) {
  mpi::communicator<kokkos_device, Access> group(MPI_COMM_WORLD, make_kokkos_device());
  auto q = group.device().make_queue();
  auto const make = make_kernel_like<on_kokkos::kernel>();
  for (std::uint64_t seed = 0; seed < cases(20); ++seed) check_communicator(group, q, seed);
  for (std::uint64_t seed = 0; seed < cases(10); ++seed) {
    check_layer(group, q, swiglu_expert<double>{}, make, seed);
    check_layer(group, q, gptoss_expert<float>{{}, {}, 1.702, 0.75}, make, seed);
  }
  std::printf("rank %d of %d: %s\n", group.rank(), group.size(), name);
}

}  // namespace

int main(int argc, char** argv) {
  return mpi::run(argc, argv, [&](MPI_Comm /*world*/) {
    Kokkos::ScopeGuard const kokkos(argc, argv);
    check<mpi::access::staged>("staged");
    if constexpr (kokkos_device::host_memory) check<mpi::access::direct>("direct");
  });
}
