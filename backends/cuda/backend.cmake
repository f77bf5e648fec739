# SPDX-License-Identifier: Apache-2.0
llep_backend(cuda PACKAGES "CUDAToolkit 12.5" LINK CUDA::cudart CUDA::cublas)
# As cxx_std_20 for C++: CMake has no such feature of nvcc before 3.25.2.
foreach(target llep_cuda llep::cuda)
  if(llep_cuda_FOUND AND TARGET ${target})
    target_compile_options(${target} INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    break() # the other one is its alias
  endif()
endforeach()
