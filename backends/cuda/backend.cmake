# SPDX-License-Identifier: Apache-2.0
llep_backend(cuda PACKAGES "CUDAToolkit 12.5" LINK CUDA::cudart CUDA::cublas)
