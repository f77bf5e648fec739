// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <llep/backends/eigen/kernel.hpp>

#include "mpi/golden.hpp"

namespace {

struct on_eigen {
  template <class Family>
  using kernel = llep::eigen::kernel<Family>;
  static llep::host_device make_device() { return {}; }
};

TEST_CASE("mpi: every golden layer comes out right with Eigen's kernels", "[mpi][golden]") {
  llep::testing::check_golden_on_processes<on_eigen>();
}

}  // namespace
