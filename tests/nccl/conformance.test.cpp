// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/testing/abort.hpp>
#include <llep/testing/communicator.hpp>

#include "nccl/on_gpus.hpp"
#include "support/sanitizers.hpp"

// The library's conformance suite, on NCCL's stand-in and as many GPUs' as there are ranks.

namespace {

using namespace llep;
using namespace llep::testing;

TEST_CASE("nccl: the communicator keeps its promises", "[nccl][conformance]") {
  for (std::int32_t const ranks : {1, 2, 3, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(nccl::run<gpu>(gpus(ranks), [](gpu_group& group) {
      auto q = group.device().make_queue();
      for (std::uint64_t seed = 0; seed < cases(20); ++seed) check_communicator(group, q, seed);
    }));
  }
}

TEST_CASE("nccl: the communicator keeps its promises where the host waits for all of them",
          "[nccl][conformance]") {
  CHECK_NOTHROW(nccl::run<gpu>(gpus(3), [](gpu_group& group) {
    auto q = group.device().make_queue();
    host_waits waiting(group);
    for (std::uint64_t seed = 0; seed < cases(20); ++seed) check_communicator(waiting, q, seed);
  }));
}

TEST_CASE("nccl: a group goes down as promised", "[nccl][conformance]") {
  for (std::int32_t const ranks : {1, 2, 3, 8}) {
    for (std::uint64_t seed = 0; seed < cases(20); ++seed) {
      CAPTURE(ranks, seed);
      CHECK_NOTHROW(nccl::run<gpu>(gpus(ranks), [seed](gpu_group& group) {
        auto q = group.device().make_queue();
        host_waits waiting(group);
        check_abort(waiting, q, seed);
      }));
    }
  }
}

}  // namespace
