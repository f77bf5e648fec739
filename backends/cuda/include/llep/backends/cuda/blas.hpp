// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>

#include <llep/backends/cuda/row_types.cuh>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// Throws unless `status` is CUBLAS_STATUS_SUCCESS: std::bad_alloc where cuBLAS found no memory,
/// else llep::error (device) with cuBLAS' number.
inline void check(cublasStatus_t status, std::string_view doing, call_site at = call_site::here()) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  static_cast<void>(cudaGetLastError());  // what CUDA told cuBLAS; nobody else is to find it
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw std::bad_alloc();
  throw error(errc::device,
              "cublas: " + std::string(doing) + ": " + cublasGetStatusString(status) + " (" +
                  cublasGetStatusName(status) + ")",
              no_rank, static_cast<int>(status), at);
}

namespace detail {

/// What cuBLAS calls an element.
template <row_element T>
inline constexpr cudaDataType_t blas_type = CUDA_R_32F;
template <>
inline constexpr cudaDataType_t blas_type<double> = CUDA_R_64F;
template <>
inline constexpr cudaDataType_t blas_type<bfloat16> = CUDA_R_16BF;
template <>
inline constexpr cudaDataType_t blas_type<half> = CUDA_R_16F;

/// How products of such elements are made: summed in accumulator_t, and factors of float stay
/// whole unless `tf32` lets cuBLAS cut them to 10 bits behind the point.
template <row_element T>
[[nodiscard]] constexpr cublasComputeType_t blas_compute(bool tf32) {
  if (std::same_as<T, double>) return CUBLAS_COMPUTE_64F;
  if (std::same_as<T, float> && tf32) return CUBLAS_COMPUTE_32F_FAST_TF32;
  return CUBLAS_COMPUTE_32F;
}

/// A size as cuBLAS takes it.
[[nodiscard]] inline int blas_size(std::int64_t n) {
  expects(n <= (std::numeric_limits<int>::max)(), "cuda: more rows or columns than cuBLAS takes");
  return static_cast<int>(n);
}

/// A cuBLAS handle of the current device that stays on one stream, with a workspace that the caller
/// keeps. By that the same calls give the same bits, whatever other streams do, and cuBLAS
/// allocates nothing while a graph is captured.
class blas_handle {
 public:
  blas_handle(cudaStream_t stream, void* workspace, byte_count workspace_bytes) {
    cublasHandle_t made = nullptr;
    check(cublasCreate(&made), "cublasCreate");
    handle_.reset(made);
    check(cublasSetStream(made, stream), "cublasSetStream");  // before: it forgets the workspace
    check(cublasSetWorkspace(made, workspace, static_cast<std::size_t>(workspace_bytes)),
          "cublasSetWorkspace");
    // Partial sums of a product with 16-bit results are kept in float too.
    check(cublasSetMathMode(made, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
          "cublasSetMathMode");
  }

  [[nodiscard]] cublasHandle_t get() const noexcept { return handle_.get(); }

 private:
  struct destroyer {
    void operator()(cublasHandle_t handle) const {
      static_cast<void>(cublasDestroy(handle));  // a broken device says so in its next call
    }
  };
  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, destroyer> handle_;
};

}  // namespace detail

}  // namespace llep::cuda
