// SPDX-License-Identifier: Apache-2.0
#include <nccl.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/nccl/local.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/layer.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "seeds.hpp"

// NCCL between as many ranks as there are GPUs, and between several ranks on one GPU where NCCL
// takes them.

namespace {

using namespace llep;
using namespace llep::bench;
using gpu = cuda::device<>;
using group_type = nccl::communicator<gpu>;

struct blas {
  template <class Family>
  cuda::kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    return {family, std::move(native), std::move(grads)};
  }
};

void check_group(arguments const& given, report& to, std::vector<int> const& gpus,
                 std::string const& name) {
  // one connection for all seeds: making it takes longer than they do
  auto const with_seeds = [&](char const* what, std::uint64_t count, auto check) {
    seed_range const seeds(given.sized(count, std::uint64_t{2}));
    to.check(name + ": " + what + ", " + seeds.name(), [&] {
      nccl::run<gpu>(gpus, [&](group_type& group) {
        auto q = group.device().make_queue();
        seeds.each([&](std::uint64_t seed) { check(group, q, seed); });
      });
    });
  };
  with_seeds("communicator", 20, [](group_type& group, cuda::queue& q, std::uint64_t seed) {
    testing::check_communicator(group, q, seed);
  });
  with_seeds("layers", 5, [](group_type& group, cuda::queue& q, std::uint64_t seed) {
    testing::check_layer(group, q, swiglu_expert<float>{}, blas{}, seed);
  });
}

void check_all(arguments const& given, report& to) {
  constexpr int takes_many_ranks_a_gpu = 23003;  // with an environment that says so
  int version = 0;
  ncclGetVersion(&version);
  auto const all = nccl::all_gpus();
  std::string const is = "NCCL " + std::to_string(version);
  check_group(given, to, {all.front()}, is + ", P = 1");
  if (all.size() > 1)
    check_group(given, to, all, is + ", P = " + std::to_string(all.size()));
  else
    to.skipped(is + ", P > 1, a GPU each", "one GPU here");
  char const* const enabled = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  if (version >= takes_many_ranks_a_gpu && enabled != nullptr && enabled[0] == '1')
    check_group(given, to, std::vector<int>(4, all.front()), is + ", P = 4 on one GPU");
  else
    to.skipped(is + ", P > 1 on one GPU",
               "needs 2.30.3 and NCCL_MULTI_RANK_GPU_ENABLE=1 in the environment");
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
