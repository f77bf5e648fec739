# SPDX-License-Identifier: Apache-2.0
include("${CMAKE_CURRENT_LIST_DIR}/../cuda/backend.cmake") # it builds on cuda's queues
if(llep_cuda_FOUND)
  # NCCL is looked for beside the toolkit that was found before it
  llep_backend(nccl PACKAGES "CUDAToolkit 12.5" "NCCL 2.18" LINK llep::cuda NCCL::nccl)
else()
  set(llep_nccl_FOUND FALSE)
  set(llep_nccl_NOT_FOUND_MESSAGE "llep::nccl needs llep::cuda; ${llep_cuda_NOT_FOUND_MESSAGE}")
endif()
