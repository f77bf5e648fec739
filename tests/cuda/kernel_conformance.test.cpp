// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include <llep/backends/cuda/kernel.cuh>
#include <llep/testing/kernel.hpp>

#include "support/sanitizers.hpp"

// The kernels over cuBLAS, on the stand-in for both. That sums each row by itself; cuBLAS doesn't
// promise to, so it isn't asked here either.

namespace {

using namespace llep;
using namespace llep::testing;
using cuda_device = cuda::device<>;

/// Makes kernels of one device that share their streams.
struct make_kernel {
  std::shared_ptr<cuda::blas_streams<>> streams;
  cuda::blas_options options;

  template <class Family>
  cuda::kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    return {family, std::move(native), std::move(grads), options, streams};
  }
};

constexpr row_count always_grouped = 1000000;

struct conformance {
  cuda_device device;
  cuda_device::queue q = device.make_queue();
  std::shared_ptr<cuda::blas_streams<>> streams = std::make_shared<cuda::blas_streams<>>(3);

  void families(std::uint64_t seed, row_count grouped_below, row_count rows,
                expert_sizes const& sizes) {
    CAPTURE(seed, grouped_below);
    auto const check = [&](auto const& family) {
      make_kernel const make{streams, {.grouped_below_rows = grouped_below}};
      CHECK_NOTHROW(
          check_kernel(device, q, family, make, seed, {.most_rows = rows, .sizes = sizes}));
    };
    check(linear_expert<float>{});
    check(linear_expert<double>{});
    check(swiglu_expert<float>{});
    check(swiglu_expert<double>{});
    check(gptoss_expert<float>{{}, {}, 1.702, 0.75});
    check(gptoss_expert<double>{{}, {}, 1.702, 0.75});
  }
};

TEST_CASE("conformance: the kernels over cuBLAS keep their promises", "[conformance][cuda]") {
  conformance check;
  for (std::uint64_t seed = 0; seed < cases(20); ++seed)
    check.families(seed, seed % 2 == 0 ? always_grouped : 0, 40, {});
  for (std::uint64_t seed = 20; seed < 20 + cases(20); ++seed)
    check.families(seed, 4, 10, {3, 2});  // sizes that no vector divides
  check.families(40, 0, 200, {20, 20});
}

TEST_CASE("kernel: products of whichever delay are waited for", "[cuda]") {
  auto& delay = cuda_on_host::knobs().max_delay_us;
  struct restored {
    std::atomic<unsigned>& knob;
    ~restored() { knob = 0; }
  } const at_the_end{delay};
  delay = 300;
  conformance check;
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    check.families(seed, seed % 2 == 0 ? always_grouped : 0, 6, {12, 12});
}

}  // namespace
