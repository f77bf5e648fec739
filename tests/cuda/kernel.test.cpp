// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/kernel.cuh>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <llep/testing/kernel.hpp>

#include "cuda/kernel_run.hpp"
#include "support/sanitizers.hpp"

// The kernel over cuBLAS, on the stand-in for both.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::ContainsSubstring;
using cuda_device = cuda::device<>;
using cuda::kernel_options;

static_assert(trainable_kernel<cuda::kernel<linear_expert<float>>>);
static_assert(trainable_kernel<cuda::kernel<swiglu_expert<double>>>);
static_assert(trainable_kernel<cuda::kernel<gptoss_expert<float>, cuda::bfloat16>>);
static_assert(trains_with<cuda::kernel<swiglu_expert<float>, cuda::half>, double>);

/// Makes kernels of one device that share their streams.
struct make_kernel {
  std::shared_ptr<cuda::blas_streams<>> streams;
  kernel_options options;

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

// ---- what it refuses ----------------------------------------------------------------------------

TEST_CASE("kernel: weights and gradients must be device memory, aligned to their elements",
          "[cuda]") {
  using kernel = cuda::kernel<swiglu_expert<float>>;
  cuda_device device;
  auto q = device.make_queue();
  on_device<cuda_device, float> const there(device, q, std::vector<float>(100));
  std::vector<float> here(100);
  swiglu_expert<float> const family{4, 3};
  auto const made = [&](float* block, float* grad) {
    float* const fine = there.data();
    return kernel(family, {{}, {fine, fine, block}}, {{}, {fine, grad, fine}});
  };
  CHECK_NOTHROW(made(there.data() + 1, there.data() + 1));
  CHECK_NOTHROW(made(nullptr, nullptr));
  auto const refuses = [&](float* block, float* grad, std::string const& words) {
    CHECK_THROWS_WITH(made(block, grad), ContainsSubstring(words));
    try {
      static_cast<void>(made(block, grad));
    } catch (error const& e) {
      CHECK(e.code() == errc::invalid_argument);
    }
  };
  auto* const odd = reinterpret_cast<float*>(reinterpret_cast<std::byte*>(there.data()) + 2);
  refuses(here.data(), there.data(), "weights of expert 1, block 2: is host memory");
  refuses(there.data(), here.data(), "weights' gradient of expert 1, block 1: is host memory");
  refuses(odd, there.data(), "weights of expert 1, block 2: isn't aligned");
}

TEST_CASE("kernel: options that make no sense are refused, and queues of other GPUs", "[cuda]") {
  using kernel = cuda::kernel<linear_expert<float>>;
  CHECK_THROWS_WITH(kernel({3}, {}, {}, {.streams = 0}), ContainsSubstring("streams"));
  CHECK_THROWS_WITH(kernel({3}, {}, {}, {.grouped_below_rows = -1}),
                    ContainsSubstring("grouped_below_rows"));
  CHECK_THROWS_WITH(kernel({0}, {}), ContainsSubstring("at least 1"));
  auto const streams = std::make_shared<cuda::blas_streams<>>(1);
  kernel of_gpu_0({3}, {}, {}, {}, streams);
  cuda_device device(1);
  auto q = device.make_queue();
  std::vector<row_group<1>> const none;
  CHECK_THROWS_WITH(of_gpu_0.forward(q, none, nullptr, nullptr, nullptr),
                    ContainsSubstring("another GPU"));
}

TEST_CASE("kernel: where there is no memory for its streams it says so, and may be tried again",
          "[cuda]") {
  seeded random(1);
  expert_case<linear_expert<float>, float> const of(random, {8}, {3, 2});
  cuda_device device;
  auto q = device.make_queue();
  case_on_device on(device, q, of);
  cuda::kernel<linear_expert<float>> kernel(of.family, {});
  auto& memory = cuda_on_host::knobs().device_bytes;
  std::size_t const before = memory.exchange(std::size_t{1} << 20U);
  CHECK_THROWS_AS(on.run(kernel), std::bad_alloc);
  memory = before;
  CHECK(largest_gap(on.run(kernel), exact_results(of)) < 1e-6);
}

// ---- what it is told apart by -------------------------------------------------------------------

TEST_CASE("kernel: digests tell what changes results, and leave the rest to each rank", "[cuda]") {
  swiglu_expert<float> const family{4, 3};
  auto const digest = [&](kernel_options const& how) {
    return cuda::kernel<swiglu_expert<float>>(family, {}, {}, how).digest();
  };
  auto const plain = digest({});
  CHECK(digest({.streams = 7}) == plain);
  CHECK(digest({.grouped_below_rows = 7}) == plain);
  CHECK(digest({.tf32 = true}) != plain);
  auto const brain = cuda::kernel<swiglu_expert<float>, cuda::bfloat16>(family, {}).digest();
  auto const ieee = cuda::kernel<swiglu_expert<float>, cuda::half>(family, {}).digest();
  auto const wide = cuda::kernel<swiglu_expert<double>>({4, 3}, {}).digest();
  CHECK(brain != plain);
  CHECK(ieee != plain);
  CHECK(wide != plain);
  CHECK(brain != ieee);
}

}  // namespace
