// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/golden_layer.hpp"

namespace {

TEST_CASE("kokkos: every golden layer is within tolerance and bit-identical however it is run",
          "[kokkos][golden]") {
  llep::testing::check_golden_layers<llep::testing::on_kokkos>();
}

}  // namespace
