// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/kernel.cuh>

#include "engine_list.hpp"
#include "gpus.hpp"
#include "host_threads.hpp"

namespace llep::tool {
namespace {

/// Emulated ranks, all on the current GPU.
struct on_cuda : host_threads {
  static constexpr char const* words = "threads of this process, on one GPU";
  static constexpr char const* clock = "GPU";
  static constexpr bool exact = false;  // cuBLAS sums by how many rows there are

  template <class Family>
  using kernel = cuda::kernel<Family>;

  static std::shared_ptr<void> start(std::int64_t) {
    static_cast<void>(count_gpus("cuda"));
    return nullptr;
  }

  template <class Body>
  static void run(std::int32_t ranks, emulated::options const& how, Body body) {
    run_on([] { return cuda::device<>(); }, ranks, how, body);
  }
};

}  // namespace

void add_cuda_engines(std::vector<engine>& list) {
  list.push_back(make_engine<on_cuda>("cuda", "cublas"));
}

}  // namespace llep::tool
