// SPDX-License-Identifier: Apache-2.0
#pragma once

// What nvcc knows and g++ doesn't. __restrict__ is g++'s own. A block's threads are fibers of one
// thread (block.hpp), so what they share is that thread's.

#define CUDA_ON_HOST 1
#define CUDART_VERSION 13000

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ thread_local
