// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include "cuda/on_cuda.hpp"
#include "support/golden_layer.hpp"
#include "support/sanitizers.hpp"

namespace {

// The stand-in's products sum a row by itself, so they are bit-identical, as cuBLAS' needn't be.
TEST_CASE("cuda: every golden layer is within tolerance and bit-identical however it is run",
          "[cuda][golden]") {
  llep::testing::check_golden_layers<llep::testing::on_cuda>(
      {.ranks = {1, 2, 4, 8, 16}, .stride = llep::testing::sanitized ? 997 : 97});
}

}  // namespace
