// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "vector_types.hpp"

// What a thread of a kernel knows of itself: set before it goes on.

// NOLINTBEGIN: names as in CUDA
inline constinit thread_local uint3 threadIdx{0, 0, 0};
inline constinit thread_local uint3 blockIdx{0, 0, 0};
inline constinit thread_local dim3 blockDim{1, 1, 1};
inline constinit thread_local dim3 gridDim{1, 1, 1};
inline constexpr int warpSize = 32;
// NOLINTEND

namespace cuda_on_host {

/// What a launch runs: call(args) is the kernel, for the thread that threadIdx names.
struct grid {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
  void (*call)(void*) = nullptr;
  void* args = nullptr;
};

/// Where a kernel calls something. Not std's, which clang 14 doesn't have.
struct location {
  char const* file = "";
  char const* function = "";
  unsigned line = 0;

  static constexpr location current(char const* file = __builtin_FILE(),
                                    char const* function = __builtin_FUNCTION(),
                                    unsigned line = __builtin_LINE()) {
    return {file, function, line};
  }
};

}  // namespace cuda_on_host
