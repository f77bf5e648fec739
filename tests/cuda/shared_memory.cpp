// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

// Of the programs that run CUDA code on the stand-in: what its kernels declare as `extern`.
namespace llep::cuda::detail {
CUDA_ON_HOST_DYNAMIC_SHARED(llep_shared_memory);
}  // namespace llep::cuda::detail
