// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/backends/emulated/run.hpp>

#include "cuda/on_cuda.hpp"
#include "support/golden_gradients.hpp"

namespace {

using namespace llep::testing;

TEST_CASE("cuda: every golden gradient is within tolerance however it is run and kept",
          "[cuda][golden]") {
  check_golden_gradients<on_cuda>({.ranks = {1, 2, 4, 8, 16}, .stride = sanitized ? 997 : 149});
}

TEST_CASE("cuda: golden layers of bfloat16 are within its tolerance", "[cuda][golden]") {
  using row = llep::cuda::bfloat16;
  int cases = 0;
  for (auto const& file : golden_layer_files()) {
    if (file.find("_bf16_values") == std::string::npos) continue;
    ++cases;
    auto const c = llep::tool::read_layer_case(file);
    for (std::int32_t const ranks : {1, 4}) {
      for (auto const& policies : all_golden_policies()) {
        auto const errors = golden_case_errors<on_cuda_in<row>, row>(c, policies, [&](auto body) {
          llep::emulated::run(ranks, on_cuda::make_device, body);
        });
        for (auto const& [name, error] : errors) {
          CAPTURE(file, ranks, name);
          CHECK(error <= golden_tolerance<row>(c.array(name)));
        }
      }
    }
  }
  CHECK(cases == 2);
}

}  // namespace
