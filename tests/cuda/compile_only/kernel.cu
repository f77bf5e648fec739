// SPDX-License-Identifier: Apache-2.0
// Compiled by nvcc, never run: all kernels over cuBLAS.
#include <llep/backends/cuda/kernel.cuh>

using namespace llep;
using cuda::bfloat16;
using cuda::half;

static_assert(trainable_kernel<cuda::kernel<linear_expert<float>>>);
static_assert(trainable_kernel<cuda::kernel<swiglu_expert<double>>>);
static_assert(trains_with<cuda::kernel<gptoss_expert<float>, bfloat16>, double>);
static_assert(trains_with<cuda::kernel<swiglu_expert<float>, half>, float>);

template class llep::cuda::blas_streams<>;
template class llep::cuda::kernel<linear_expert<float>>;
template class llep::cuda::kernel<linear_expert<double>>;
template class llep::cuda::kernel<linear_expert<float>, bfloat16>;
template class llep::cuda::kernel<linear_expert<float>, half>;
template class llep::cuda::kernel<swiglu_expert<float>>;
template class llep::cuda::kernel<swiglu_expert<double>>;
template class llep::cuda::kernel<swiglu_expert<float>, bfloat16>;
template class llep::cuda::kernel<swiglu_expert<float>, half>;
template class llep::cuda::kernel<gptoss_expert<float>>;
template class llep::cuda::kernel<gptoss_expert<double>>;
template class llep::cuda::kernel<gptoss_expert<float>, bfloat16>;
template class llep::cuda::kernel<gptoss_expert<float>, half>;
