// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <llep/kernel/loops.hpp>

#include "support/golden_gradients.hpp"

namespace {

struct loops {
  template <class Family>
  using kernel = llep::loops_kernel<Family>;
  static llep::host_device make_device() { return {}; }
};

TEST_CASE("golden: every gradient is within tolerance however it is run and kept", "[golden]") {
  llep::testing::check_golden_gradients<loops>();
}

}  // namespace
