// SPDX-License-Identifier: Apache-2.0
// What compile_only holds is linked with this, against all that the backends name.
#include <cuda_runtime.h>

#include <cstdio>

int main() {
  int devices = 0;
  cudaError_t const status = cudaGetDeviceCount(&devices);
  std::printf("%d GPUs (%s)\n", status == cudaSuccess ? devices : 0, cudaGetErrorString(status));
}
