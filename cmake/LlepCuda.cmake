# SPDX-License-Identifier: Apache-2.0
# The CUDA language for our own programs, C++20; a user's project enables it as it likes.
include_guard(GLOBAL)

# Must be called in the folder's own scope: languages and flags are a folder's.
macro(llep_enable_cuda)
  if(NOT DEFINED CMAKE_CUDA_COMPILER AND CUDAToolkit_NVCC_EXECUTABLE)
    set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}") # it needn't be on the PATH
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90) # there may be no GPU to ask
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared) # as CUDA::cudart
  enable_language(CUDA)
  if(CMAKE_VERSION VERSION_LESS 3.25.2) # which takes nvcc for older than C++20
    string(APPEND CMAKE_CUDA_FLAGS " -std=c++20")
  else()
    set(CMAKE_CUDA_STANDARD 20)
  endif()
endmacro()
