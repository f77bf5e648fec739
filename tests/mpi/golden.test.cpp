// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <llep/kernel/loops.hpp>

#include "mpi/golden.hpp"

namespace {

struct loops {
  template <class Family>
  using kernel = llep::loops_kernel<Family>;
  static llep::host_device make_device() { return {}; }
};

TEST_CASE("mpi: every golden layer comes out right, forward and backward", "[mpi][golden]") {
  llep::testing::check_golden_on_processes<loops>();
}

}  // namespace
