// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>
#include <llep/testing/layer.hpp>

#include "cuda/on_cuda.hpp"
#include "nccl/on_gpus.hpp"
#include "support/golden_case.hpp"
#include "support/sanitizers.hpp"
#include "tool/layer_case.hpp"

// Whole layers, on the stand-ins for CUDA, cuBLAS and NCCL.

namespace {

using namespace llep;
using namespace llep::testing;

struct make_kernel {
  template <class Family>
  cuda::kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    return {family, std::move(native), std::move(grads)};
  }
};

TEST_CASE("nccl: layers are the dense layer", "[nccl][conformance]") {
  nothing_left const at_the_end;
  for (std::int32_t const ranks : {1, 2, 3, 8}) {
    CAPTURE(ranks);
    std::uint64_t const seeds = ranks < 8 ? cases(3) : 1;  // each stream is a thread here
    CHECK_NOTHROW(nccl::run<gpu>(gpus(ranks), [seeds](gpu_group& group) {
      auto q = group.device().make_queue();
      for (std::uint64_t seed = 0; seed < seeds; ++seed)
        check_layer(group, q, swiglu_expert<double>{}, make_kernel{}, seed);
      check_layer(group, q, gptoss_expert<float>{{}, {}, 1.702, 0.75}, make_kernel{}, 50);
    }));
  }
}

TEST_CASE("nccl: golden layers and their gradients are within tolerance", "[nccl][golden]") {
  nothing_left const at_the_end;
  for (char const* const name : {"gptoss_02_one_hot_expert", "gptoss_06_uneven_ranks",
                                 "swiglu_07_odd_sizes", "swiglu_08_top8_scaled_weights"}) {
    auto const c =
        tool::read_layer_case(LLEP_TEST_DATA_DIR "/moe_layer/" + std::string(name) + ".json");
    for (auto const& policies : all_golden_policies()) {
      auto const errors = golden_case_errors<on_cuda, float>(c, policies, [&](auto const& body) {
        nccl::run<gpu>(gpus(3), [&](gpu_group& group) { body(group); });
      });
      for (auto const& [array, error] : errors) {
        CAPTURE(name, array);
        CHECK(error <= golden_tolerance<float>(c.array(array)));
      }
    }
  }
}

// ---- layers that end badly ---------------------------------------------------------------

/// A kernel that breaks when it is used.
template <class Family>
struct breaking_kernel : cuda::kernel<Family> {
  using cuda::kernel<Family>::kernel;
  bool breaks = false;

  template <class... Arguments>
  void forward(Arguments&&... arguments) {
    if (breaks) throw std::runtime_error("the kernel broke");
    cuda::kernel<Family>::forward(std::forward<Arguments>(arguments)...);
  }
};

struct make_breaking {
  bool breaks;

  template <class Family>
  breaking_kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    breaking_kernel<Family> made(family, std::move(native), std::move(grads));
    made.breaks = breaks;
    return made;
  }
};

TEST_CASE("nccl: a kernel that throws on one rank in the middle of a step ends it on all",
          "[nccl][failures]") {
  auto const seed = static_cast<std::uint64_t>(GENERATE(range(0, 6)));
  nothing_left const at_the_end;
  auto const began = std::chrono::steady_clock::now();
  auto const ends = nccl::try_run<gpu>(gpus(4), [&](gpu_group& group) {
    auto q = group.device().make_queue();
    for (auto step = seed;; ++step)  // some layers have no rows for it
      check_layer(group, q, swiglu_expert<float>{}, make_breaking{group.rank() == 2}, step);
  });
  for (auto const& thrown : ends.by_rank) CHECK(words_of(thrown) == "rank 2: the kernel broke");
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

TEST_CASE("nccl: what NCCL meets in the middle of a step ends it on all ranks",
          "[nccl][failures]") {
  auto const nth = static_cast<std::uint64_t>(GENERATE(1, 2, 5, 11));
  std::string const name = GENERATE("ncclSend", "ncclRecv", "ncclAllGather", "ncclGroupEnd");
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(gpus(3), [&](gpu_group& group) {
    auto q = group.device().make_queue();
    if (group.rank() == 1) nccl_on_host::fail_call_here(nth, ncclSystemError, name.c_str());
    for (std::uint64_t step = 0;; ++step)
      check_layer(group, q, swiglu_expert<float>{}, make_kernel{}, step);
  });
  auto const told = words_of(ends.first);
  CHECK(told.starts_with("rank 1: nccl: "));
  CHECK(told.ends_with("unhandled system error (injected into " + name + ")"));
  for (auto const& thrown : ends.by_rank) CHECK(words_of(thrown) == told);
}

}  // namespace
