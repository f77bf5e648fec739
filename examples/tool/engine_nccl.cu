// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/nccl/local.hpp>

#include "engine_list.hpp"
#include "gpus.hpp"
#include "host_threads.hpp"

namespace llep::tool {
namespace {

/// A GPU for each rank, and a thread of this process.
struct on_nccl : host_threads {
  static constexpr char const* words = "GPUs of this process";
  static constexpr bool takes_turns = false;
  static constexpr char const* clock = "GPU";
  static constexpr bool exact = false;  // cuBLAS sums by how many rows there are

  template <class Family>
  using kernel = cuda::kernel<Family>;

  static std::shared_ptr<void> start(std::int64_t ranks) {
    if (auto const gpus = count_gpus("nccl"); ranks > gpus)
      throw input_error("--ranks: with --backend nccl at most as many as there are GPUs, " +
                        std::to_string(gpus) + ", not " + std::to_string(ranks));
    return nullptr;
  }

  template <class Body>
  static void run(std::int32_t ranks, emulated::options const&, Body body) {
    auto gpus = nccl::all_gpus();
    gpus.resize(static_cast<std::size_t>(ranks));
    nccl::run<cuda::device<>>(gpus, [&](auto& group) {
      auto q = group.device().make_queue();
      body(group, q);
    });
  }
};

}  // namespace

void add_nccl_engines(std::vector<engine>& list) {
  list.push_back(make_engine<on_nccl>("nccl", "cublas"));
}

}  // namespace llep::tool
