// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/tiled_kernel.cuh>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/testing/kernel.hpp>

#include "cuda/kernel_run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using cuda::bfloat16;
using cuda::half;
using cuda_device = cuda::device<>;

static_assert(expert_kernel<cuda::tiled_kernel<linear_expert<float>>>);
static_assert(expert_kernel<cuda::tiled_kernel<swiglu_expert<double>>>);
static_assert(expert_kernel<cuda::tiled_kernel<gptoss_expert<float>, bfloat16>>);
static_assert(!trainable_kernel<cuda::tiled_kernel<swiglu_expert<float>>>);

// Made as loops_kernel is; it has no use for gradients.
struct make_tiled {
  template <expert_family Family, class Native, class Gradients>
  cuda::tiled_kernel<Family> operator()(Family const& family, Native native,
                                        Gradients const& /*none*/) const {
    return cuda::tiled_kernel<Family>(family, std::move(native));
  }
};

void check(auto const& family, std::uint64_t seed, expert_sizes const& sizes) {
  cuda_device device;
  auto q = device.make_queue();
  CHECK_NOTHROW(check_kernel(device, q, family, make_tiled{}, seed,
                             {.rows_stand_alone = true, .sizes = sizes}));
}

TEST_CASE("conformance: the tiled kernels keep their promises", "[conformance][cuda]") {
  for (std::uint64_t seed = 0; seed < cases(10); ++seed)
    for (expert_sizes const& sizes : {expert_sizes{}, expert_sizes{9, 5, 1}}) {
      check(linear_expert<float>{}, seed, sizes);
      check(linear_expert<double>{}, seed, sizes);
      check(swiglu_expert<float>{}, seed, sizes);
      check(swiglu_expert<double>{}, seed, sizes);
      check(gptoss_expert<float>{0, 0, 1.5, 0.5}, seed, sizes);
      check(gptoss_expert<double>{0, 0, 1.5, 0.5}, seed, sizes);
    }
}

template <class Family, class Row>
std::vector<Row> run(expert_case<Family, Row> const& of) {
  cuda_device device;
  auto q = device.make_queue();
  std::vector<on_device<cuda_device, Row>> weights;
  for (auto const& expert : of.weights)
    for (auto const& block : expert) weights.emplace_back(device, q, block);
  auto groups = of.groups;
  std::vector<row_count> rows;
  for (auto& group : groups) {
    for (std::size_t b = 0; b < Family::blocks; ++b)
      group.weights[b] = weights[at(group.expert) * Family::blocks + b].data();
    rows.push_back(group.rows);
  }
  cuda::tiled_kernel<Family, Row> kernel(of.family, {});
  std::vector<std::byte> const nans(at(kernel.work_bytes(rows)), std::byte{0xFF});
  on_device<cuda_device, std::byte> const work(device, q, nans);
  on_device<cuda_device, Row> const x(device, q, of.x);
  on_device<cuda_device, Row> const y(device, q, std::vector<Row>(of.x.size(), Row(-1.0F)));
  kernel.forward(q, groups, x.data(), y.data(), work.data());
  return y.read();
}

TEMPLATE_TEST_CASE("tiled kernels: 16-bit rows and weights are computed in float, and rounded once",
                   "[cuda][kernel]", bfloat16, half) {
  constexpr double roundoff = std::is_same_v<TestType, half> ? 0x1p-11 : 0x1p-8;
  constexpr double summing = 1e-5;
  std::vector<row_count> const rows{1, 5, 70};
  auto const check_family = [&]<class Family>(Family const& family) {
    seeded random(3);
    expert_case<Family, TestType> const of(random, family, rows);
    CHECK(largest_gap(run(of), exact_results(of).y) < roundoff + summing);
  };
  check_family(linear_expert<float>{67});
  check_family(swiglu_expert<float>{35, 67});
  check_family(gptoss_expert<float>{67, 35, 1.5, 0.5});
}

TEST_CASE("tiled kernels: more groups than a launch takes", "[cuda][kernel]") {
  seeded random(4);
  std::vector<row_count> rows(75);
  for (row_count& n : rows) n = random.between(1, 9);
  expert_case<swiglu_expert<float>, float> const of(random, {6, 5}, rows);
  CHECK(largest_gap(run(of), exact_results(of).y) < 1e-5);
}

}  // namespace
