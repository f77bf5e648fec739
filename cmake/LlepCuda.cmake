# SPDX-License-Identifier: Apache-2.0
# The CUDA language for our own programs; a user's project enables it as it likes.
include_guard(GLOBAL)

# Must be called in the folder's own scope: languages and flags are a folder's.
macro(llep_enable_cuda)
  if(NOT DEFINED ENV{CUDACXX} AND CUDAToolkit_NVCC_EXECUTABLE)
    set(ENV{CUDACXX} "${CUDAToolkit_NVCC_EXECUTABLE}") # it needn't be on the PATH
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90) # there may be no GPU to ask
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Shared) # as CUDA::cudart
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
  else()
    message(WARNING " LEFT OUT: what is compiled for GPUs: nvcc doesn't work here")
  endif()
endmacro()
