// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/golden_gradients.hpp"

namespace {

TEST_CASE("kokkos: every golden gradient is within tolerance however it is run and kept",
          "[kokkos][golden]") {
  llep::testing::check_golden_gradients<llep::testing::on_kokkos>();
}

}  // namespace
