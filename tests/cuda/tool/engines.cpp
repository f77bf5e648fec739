// SPDX-License-Identifier: Apache-2.0
// What is built into the tool on the stand-in for CUDA; LLEP_TEST_GPUS says how many GPUs it has.
#include <cstdlib>

#include <cuda_runtime.h>

#include "engine.hpp"

namespace llep::tool {

void add_cuda_engines(std::vector<engine>& list);
void add_nccl_engines(std::vector<engine>& list);

std::vector<engine> engines() {
  if (char const* const gpus = std::getenv("LLEP_TEST_GPUS"); gpus != nullptr)
    cuda_on_host::knobs().device_count = std::atoi(gpus);
  std::vector<engine> list;
  add_cuda_engines(list);
  add_nccl_engines(list);
  return list;
}

}  // namespace llep::tool
