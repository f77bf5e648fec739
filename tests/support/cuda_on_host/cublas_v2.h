// SPDX-License-Identifier: Apache-2.0
#pragma once

// Stands in for the toolkit's: see README.md.

#include <cstddef>
#include <utility>
#include <vector>

#include "cuda_on_host/calls.hpp"
#include "cuda_on_host/cublas_types.hpp"
#include "cuda_on_host/device_api.hpp"
#include "cuda_on_host/gemm.hpp"
#include "cuda_on_host/machine.hpp"
#include "cuda_on_host/memory.hpp"

namespace cuda_on_host {

inline cublasStatus_t status_of(cudaError_t error) {
  if (error == cudaSuccess) return CUBLAS_STATUS_SUCCESS;
  if (error == cudaErrorMemoryAllocation) return CUBLAS_STATUS_ALLOC_FAILED;
  if (error == cudaErrorNotSupported) return CUBLAS_STATUS_NOT_SUPPORTED;
  return error == cudaErrorInvalidValue ? CUBLAS_STATUS_INVALID_VALUE
                                        : CUBLAS_STATUS_EXECUTION_FAILED;
}

/// A call of cuBLAS: counted and made to fail as the runtime's.
template <class Body>
cublasStatus_t blas_call(char const* name, cublasHandle_t handle, Body const& body) {
  if (auto const error = injected_failure(name); error != cudaSuccess) return status_of(error);
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : body();
}

/// Zero sizes are valid; then pointers may be null.
inline bool valid(gemm_shape const& s) {
  return s.m >= 0 && s.n >= 0 && s.k >= 0 && s.lda >= (std::max)(1, s.transpose_a ? s.k : s.m) &&
         s.ldb >= (std::max)(1, s.transpose_b ? s.n : s.k) && s.ldc >= (std::max)(1, s.m);
}
inline bool is_operation(cublasOperation_t op) {
  return op == CUBLAS_OP_N || op == CUBLAS_OP_T || op == CUBLAS_OP_C;
}

/// 0 if it isn't one of those that are known, else the bytes of alpha and beta.
inline std::size_t scale_bytes(cublasComputeType_t t) {
  bool const wide = t == CUBLAS_COMPUTE_64F || t == CUBLAS_COMPUTE_64F_PEDANTIC;
  bool const narrow = t == CUBLAS_COMPUTE_32F || t == CUBLAS_COMPUTE_32F_PEDANTIC ||
                      t == CUBLAS_COMPUTE_32F_FAST_TF32 || t == CUBLAS_COMPUTE_32F_FAST_16F ||
                      t == CUBLAS_COMPUTE_32F_FAST_16BF;
  return wide ? sizeof(double) : narrow ? sizeof(float) : 0;
}
inline double scale_at(void const* scales, int i, bool wide) {
  return wide ? static_cast<double const*>(scales)[i]
              : static_cast<double>(static_cast<float const*>(scales)[i]);
}

struct gemm_group {
  gemm_shape shape;
  double alpha, beta;
  int count;
};

inline cublasStatus_t check(gemm_types t, cublasComputeType_t compute, cublasHandle_t handle) {
  if (scale_bytes(compute) == 0 || !t.known()) return CUBLAS_STATUS_NOT_SUPPORTED;
  return handle->pointers == CUBLAS_POINTER_MODE_HOST ? CUBLAS_STATUS_SUCCESS
                                                      : CUBLAS_STATUS_NOT_SUPPORTED;
}

inline void run_groups(gemm_types types, std::vector<gemm_group> const& groups,
                       void const* const* a, void const* const* b, void* const* c) {
  std::size_t i = 0;
  for (auto const& g : groups)
    for (int n = 0; n < g.count; ++n, ++i)
      if (g.shape.m > 0 && g.shape.n > 0) gemm(types, g.shape, g.alpha, a[i], b[i], g.beta, c[i]);
}

/// Launches on the handle's stream; a handle is of the device it was made on.
template <class Op>
cublasStatus_t put_gemm(cublasHandle_t handle, Op&& op) {
  count(&call_counts::gemms);
  if (detail::mine().device != handle->device) return CUBLAS_STATUS_EXECUTION_FAILED;
  return status_of(remember(put(handle->stream, std::forward<Op>(op))));
}

}  // namespace cuda_on_host

// NOLINTBEGIN: names as in cuBLAS
inline cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  using namespace cuda_on_host;
  if (auto const error = injected_failure("cublasCreate"); error != cudaSuccess)
    return status_of(error);
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasContext{};
  (*handle)->device = detail::mine().device;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  return cuda_on_host::blas_call("cublasDestroy", handle, [&] {
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
  });
}
inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  return cuda_on_host::blas_call("cublasSetStream", handle, [&] {
    handle->stream = stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}
inline cublasStatus_t cublasGetStream(cublasHandle_t handle, cudaStream_t* stream) {
  return cuda_on_host::blas_call("cublasGetStream", handle, [&] {
    *stream = handle->stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* p, std::size_t bytes) {
  using namespace cuda_on_host;
  return blas_call("cublasSetWorkspace", handle, [&] {
    bool const ours = memory::get().find(p).type == cudaMemoryTypeDevice;
    return bytes == 0 || ours ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
  });
}
inline cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return cuda_on_host::blas_call("cublasSetMathMode", handle, [&] {
    handle->math = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
inline cublasStatus_t cublasSetPointerMode(cublasHandle_t handle, cublasPointerMode_t mode) {
  return cuda_on_host::blas_call("cublasSetPointerMode", handle, [&] {
    handle->pointers = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
inline cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t) {
  return cuda_on_host::blas_call("cublasSetAtomicsMode", handle,
                                 [] { return CUBLAS_STATUS_SUCCESS; });
}
inline cublasStatus_t cublasGetVersion(cublasHandle_t, int* version) {
  *version = 130000;
  return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t op_a,
                                   cublasOperation_t op_b, int m, int n, int k, void const* alpha,
                                   void const* a, cudaDataType_t a_type, int lda, void const* b,
                                   cudaDataType_t b_type, int ldb, void const* beta, void* c,
                                   cudaDataType_t c_type, int ldc, cublasComputeType_t compute,
                                   cublasGemmAlgo_t) {
  using namespace cuda_on_host;
  return blas_call("cublasGemmEx", handle, [&] {
    gemm_shape const s{m, n, k, lda, ldb, ldc, op_a != CUBLAS_OP_N, op_b != CUBLAS_OP_N};
    if (!valid(s) || !is_operation(op_a) || !is_operation(op_b) || alpha == nullptr ||
        beta == nullptr)
      return CUBLAS_STATUS_INVALID_VALUE;
    bool const wide = scale_bytes(compute) == sizeof(double);
    gemm_types const types{a_type, c_type, wide};
    if (a_type != b_type) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (auto const bad = check(types, compute, handle); bad != CUBLAS_STATUS_SUCCESS) return bad;
    if (m == 0 || n == 0) return CUBLAS_STATUS_SUCCESS;
    if (c == nullptr || (k > 0 && (a == nullptr || b == nullptr)))
      return CUBLAS_STATUS_INVALID_VALUE;
    double const by = scale_at(alpha, 0, wide), keep = scale_at(beta, 0, wide);
    return put_gemm(handle, [=] { gemm(types, s, by, a, b, keep, c); });
  });
}

/// The arrays of pointers are in device memory and read when the stream comes to it; all that says
/// what the groups are is the host's and read now.
inline cublasStatus_t cublasGemmGroupedBatchedEx(
    cublasHandle_t handle, cublasOperation_t const op_a[], cublasOperation_t const op_b[],
    int const m[], int const n[], int const k[], void const* alpha, void const* const a[],
    cudaDataType_t a_type, int const lda[], void const* const b[], cudaDataType_t b_type,
    int const ldb[], void const* beta, void* const c[], cudaDataType_t c_type, int const ldc[],
    int group_count, int const group_size[], cublasComputeType_t compute) {
  using namespace cuda_on_host;
  return blas_call("cublasGemmGroupedBatchedEx", handle, [&] {
    if (group_count < 0) return CUBLAS_STATUS_INVALID_VALUE;
    if (group_count == 0) return CUBLAS_STATUS_SUCCESS;
    void const* const needed[] = {op_a, op_b, m,   n,    k, alpha, a,
                                  lda,  b,    ldb, beta, c, ldc,   group_size};
    for (void const* p : needed)
      if (p == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    for (void const* p :
         {static_cast<void const*>(a), static_cast<void const*>(b), static_cast<void const*>(c)})
      if (memory::get().find(p).type == cudaMemoryTypeUnregistered)
        return CUBLAS_STATUS_INVALID_VALUE;  // a fault on hardware
    bool const wide = scale_bytes(compute) == sizeof(double);
    gemm_types const types{a_type, c_type, wide};
    if (a_type != b_type || a_type != c_type) return CUBLAS_STATUS_NOT_SUPPORTED;
    if (auto const bad = check(types, compute, handle); bad != CUBLAS_STATUS_SUCCESS) return bad;
    std::vector<gemm_group> groups;
    for (int g = 0; g < group_count; ++g) {
      groups.push_back({{m[g], n[g], k[g], lda[g], ldb[g], ldc[g], op_a[g] != CUBLAS_OP_N,
                         op_b[g] != CUBLAS_OP_N},
                        scale_at(alpha, g, wide),
                        scale_at(beta, g, wide),
                        group_size[g]});
      if (!valid(groups.back().shape) || group_size[g] < 0 || !is_operation(op_a[g]) ||
          !is_operation(op_b[g]))
        return CUBLAS_STATUS_INVALID_VALUE;
    }
    return put_gemm(handle, [=] { run_groups(types, groups, a, b, c); });
  });
}
// NOLINTEND
