// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <new>
#include <string>
#include <string_view>

#include <llep/error.hpp>

namespace llep::cuda {

/// What was being done when CUDA returned `status`, with its own words for it.
[[nodiscard]] inline error failure(cudaError_t status, std::string_view doing,
                                   call_site at = call_site::here()) {
  return {errc::device,
          "cuda: " + std::string(doing) + ": " + cudaGetErrorString(status) + " (" +
              cudaGetErrorName(status) + ")",
          no_rank, static_cast<int>(status), at};
}

/// Throws unless `status` is cudaSuccess: std::bad_alloc where memory ran out, else the failure.
inline void check(cudaError_t status, std::string_view doing, call_site at = call_site::here()) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // nobody else is to find it
  if (status == cudaErrorMemoryAllocation) throw std::bad_alloc();
  throw failure(status, doing, at);
}

}  // namespace llep::cuda
