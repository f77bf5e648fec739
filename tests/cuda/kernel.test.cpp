// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/kernel.cuh>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "cuda/kernel_run.hpp"

// What the kernel over cuBLAS refuses, and what it is told apart by, on the stand-in for both.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::ContainsSubstring;
using cuda_device = cuda::device<>;
using cuda::blas_options;

static_assert(trainable_kernel<cuda::kernel<linear_expert<float>>>);
static_assert(trainable_kernel<cuda::kernel<swiglu_expert<double>>>);
static_assert(trainable_kernel<cuda::kernel<gptoss_expert<float>, cuda::bfloat16>>);
static_assert(trains_with<cuda::kernel<swiglu_expert<float>, cuda::half>, double>);

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

/// Pool memory that counts, and of which none is made by itself.
struct counted_memory {
  std::int64_t* blocks;
  explicit counted_memory(std::int64_t& count) : blocks(&count) {}
  void* allocate(byte_count bytes, cudaStream_t stream) {
    ++*blocks;
    return cuda::pool_memory().allocate(bytes, stream);
  }
  void deallocate(void* p, cudaStream_t stream) noexcept {
    --*blocks;
    cuda::pool_memory().deallocate(p, stream);
  }
};

TEST_CASE("kernel: the memory of its streams is the user's", "[cuda]") {
  using kernel = cuda::kernel<linear_expert<float>, float, counted_memory>;
  std::int64_t blocks = 0;
  CHECK_THROWS_WITH(kernel({3}, {}), ContainsSubstring("makes streams with pool_memory only"));
  {
    auto const streams = std::make_shared<kernel::streams_type>(3, counted_memory(blocks));
    CHECK(blocks == 3);
    kernel const sharing({3}, {}, {}, {}, streams);
    kernel const another({4}, {}, {}, {}, streams);
    CHECK(blocks == 3);
  }
  CHECK(blocks == 0);
}

TEST_CASE("kernel: digests tell what changes results, and leave the rest to each rank", "[cuda]") {
  swiglu_expert<float> const family{4, 3};
  auto const digest = [&](blas_options const& how) {
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
