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

[[nodiscard]] constexpr std::int64_t ceil_div(std::int64_t n, std::int64_t by) {
  return (n + by - 1) / by;
}

}  // namespace llep::cuda::detail
