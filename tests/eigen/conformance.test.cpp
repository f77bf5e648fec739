// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/backends/eigen/kernel.hpp>
#include <llep/testing/kernel.hpp>

#include "eigen/sample_experts.hpp"

namespace {

using namespace llep;
using namespace llep::testing;

TEMPLATE_LIST_TEST_CASE("conformance: the Eigen kernels keep their promises",
                        "[conformance][eigen]", families) {
  host_device device;
  host_device::queue q;
  auto const family = family_of<TestType>(1, 1);
  auto const check = [&](std::uint64_t seed, row_count rows, expert_sizes const& sizes) {
    CHECK_NOTHROW(check_kernel(device, q, family, make_kernel_like<eigen::kernel>(), seed,
                               {.rows_stand_alone = true, .most_rows = rows, .sizes = sizes}));
  };
  for (std::uint64_t seed = 0; seed < 100; ++seed) check(seed, 70, {});
  for (std::uint64_t seed = 100; seed < 130; ++seed) check(seed, 30, {130, 130});
}

}  // namespace
