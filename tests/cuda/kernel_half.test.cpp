// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>

#include "cuda/kernel_run.hpp"
#include "support/sanitizers.hpp"

// Rows and weights of 16 bits, against the same numbers in wider ones.

namespace {

using namespace llep;
using namespace llep::testing;
using cuda::bfloat16;
using cuda::half;

/// A number is off by at most this part of itself when it is rounded to Row.
template <class Row>
constexpr double unit_roundoff = std::is_same_v<Row, half> ? 0x1p-11 : 0x1p-8;

using families_and_rows =
    std::tuple<std::tuple<linear_expert<float>, bfloat16>, std::tuple<linear_expert<float>, half>,
               std::tuple<swiglu_expert<float>, bfloat16>, std::tuple<swiglu_expert<float>, half>,
               std::tuple<gptoss_expert<float>, bfloat16>, std::tuple<gptoss_expert<float>, half>>;

template <class Family>
Family random_family(seeded& random, std::int64_t multiple) {
  Family family{};
  family.hidden = multiple * random.between(1, 40 / multiple);
  if constexpr (requires { family.inner; })
    family.inner = multiple * random.between(1, 40 / multiple);
  return family;
}

std::vector<row_count> random_rows(seeded& random) {
  std::vector<row_count> rows(at(random.chance(20) ? 70 : 3));  // more than a launch takes
  for (row_count& n : rows) n = random.between(1, rows.size() > 3 ? 3 : 40);
  return rows;
}

TEMPLATE_LIST_TEST_CASE("16-bit kernels: they are as close to the exact result as their storage",
                        "[cuda]", families_and_rows) {
  using family = std::tuple_element_t<0, TestType>;
  using row = std::tuple_element_t<1, TestType>;
  cuda::device<> device;
  auto q = device.make_queue();
  auto const streams = std::make_shared<cuda::blas_streams<>>(2);
  for (std::uint64_t seed = 0; seed < cases(20); ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const shape = random_family<family>(random, seed % 2 == 0 ? 8 : 1);
    expert_case<family, row> const of(random, shape, random_rows(random));
    std::size_t const lead = seed % 3 == 0 ? 1 : 0;
    case_on_device on(device, q, of, lead);
    cuda::kernel<family, row> kernel(of.family, {}, {}, {}, streams);
    auto const got = on.run(kernel);
    // Rounded are z, h and the gradients by them, besides what comes out.
    CHECK(largest_gap(got, exact_results(of)) < 4 * unit_roundoff<row>);
    CHECK(on.run(kernel, true).same_bits(got));
  }
}

}  // namespace
