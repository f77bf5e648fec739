// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>

#include <catch2/catch_test_macros.hpp>

#include "support/golden_gradients.hpp"

namespace {

struct on_eigen {
  template <class Family>
  using kernel = llep::eigen::kernel<Family>;
  static llep::host_device make_device() { return {}; }
};

TEST_CASE("eigen: every golden gradient is within tolerance however it is run and kept",
          "[eigen][golden]") {
  llep::testing::check_golden_gradients<on_eigen>();
}

}  // namespace
