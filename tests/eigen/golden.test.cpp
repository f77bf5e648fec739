// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <llep/backends/eigen/kernel.hpp>

#include "support/golden_layer.hpp"

namespace {

struct on_eigen {
  template <class Family>
  using kernel = llep::eigen::kernel<Family>;
  static llep::host_device make_device() { return {}; }
};

TEST_CASE("eigen: every golden layer is within tolerance and bit-identical however it is run",
          "[eigen][golden]") {
  llep::testing::check_golden_layers<on_eigen>();
}

}  // namespace
