// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/error.hpp>

namespace llep::cuda::detail {

inline constexpr int warp_size = 32;

/// How a kernel is started.
struct launch_shape {
  std::int64_t blocks = 1;  ///< with 0 nothing is started
  int threads = warp_size;  ///< of a block
  std::size_t shared_bytes = 0;
};

/// Puts a kernel on a queue; its device is the current one.
template <class... Parameters, class... Arguments>
void launch(queue& q, launch_shape const& shape, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  static_assert((sizeof(Parameters) + ... + 0) < 4000,
                "what any GPU takes as arguments of a launch");
  if (shape.blocks == 0) return;
  expects(shape.blocks <= (std::numeric_limits<std::int32_t>::max)(),
          "cuda: more blocks than a launch can have");
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned>(shape.threads));
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = q.stream();
  check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "launch");
}

/// The shared memory that a launch asked for. One name for all kernels, as its declarations must
/// agree.
[[nodiscard]] __device__ inline unsigned char* launch_memory() {
  extern __shared__ __align__(16) unsigned char llep_shared_memory[];
  return llep_shared_memory;
}

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t by) {
  return (n + by - 1) / by;
}

}  // namespace llep::cuda::detail
