// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "input_error.hpp"

namespace llep::tool {

/// How many GPUs there are for --backend `name`, at least one.
/// @throws input_error with what CUDA says if there is none, or no driver
[[nodiscard]] inline std::int64_t count_gpus(std::string const& name) {
  int count = 0;
  cudaError_t const status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  static_cast<void>(cudaGetLastError());  // nobody else is to find it
  throw input_error("--backend: " + name + ": " +
                    cudaGetErrorString(status == cudaSuccess ? cudaErrorNoDevice : status));
}

}  // namespace llep::tool
