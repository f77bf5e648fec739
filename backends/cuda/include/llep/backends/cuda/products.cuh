// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <llep/backends/cuda/blas.hpp>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// A product as cuBLAS sees it, whose matrices lie by columns: a row-major [rows][cols] is a
/// [cols][rows] there, and a row-major out = a b is its out = b a. So `left` is our right factor.
struct blas_product {
  void const* left = nullptr;
  void const* right = nullptr;
  void* out = nullptr;
  int m = 0, n = 0, k = 0;
  int left_stride = 0, right_stride = 0, out_stride = 0;
};

/// y [rows][out] = x [rows][in] w [in][out]
template <class Row>
[[nodiscard]] blas_product product_forward(matrix_ref<Row const> x, matrix_ref<Row const> w,
                                           matrix_ref<Row> y) {
  return {w.data,
          x.data,
          y.data,
          blas_size(y.cols),
          blas_size(y.rows),
          blas_size(x.cols),
          blas_size(w.stride),
          blas_size(x.stride),
          blas_size(y.stride)};
}
/// gx [rows][in] = gy [rows][out] times w [in][out] turned
template <class Row>
[[nodiscard]] blas_product product_back(matrix_ref<Row const> gy, matrix_ref<Row const> w,
                                        matrix_ref<Row> gx) {
  return product_forward(gy, w, gx);
}
/// gw [in][out] = x [rows][in] turned, times gy [rows][out]
template <class Row, class Grad>
[[nodiscard]] blas_product product_gradient(matrix_ref<Row const> x, matrix_ref<Row const> gy,
                                            matrix_ref<Grad> gw) {
  return {gy.data,
          x.data,
          gw.data,
          blas_size(gw.cols),
          blas_size(gw.rows),
          blas_size(x.rows),
          blas_size(gy.stride),
          blas_size(x.stride),
          blas_size(gw.stride)};
}

/// What the products of a list have in common.
template <row_element Row, row_element Out>
struct product_kind {
  cublasOperation_t left = CUBLAS_OP_N;
  cublasOperation_t right = CUBLAS_OP_N;
  bool adds = false;  // to what is there
  cublasComputeType_t compute = blas_compute<Row>(false);

  /// Whether cuBLAS takes such a list in one call. It makes results in the factors' type only, and
  /// where tensor cores read them, pointers must be aligned.
  [[nodiscard]] bool goes_grouped(std::span<blas_product const> list) const {
    if (!std::same_as<Row, Out>) return false;
    if (sizeof(Row) > 2 && compute != CUBLAS_COMPUTE_32F_FAST_TF32) return true;
    alignment_of all;
    for (auto const& p : list) all.with(p.left).with(p.right).with(p.out);
    return all.allows(16);
  }
};

/// Pointers on their way to device memory, as an argument of a launch: nothing has to be kept until
/// the queue is there, and a captured graph has them for good. Below the 4 KiB that any GPU takes.
struct pointer_batch {
  static constexpr std::size_t most = 480;
  void const* at[most];
};

template <class Batch>
__global__ void write_pointers(__grid_constant__ Batch const batch, int count, void const** to) {
  int const i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) to[i] = batch.at[i];
}

/// Device memory that a list of so many products needs to go in one call.
[[nodiscard]] constexpr byte_count pointer_bytes(std::int64_t products) {
  return 3 * products * static_cast<byte_count>(sizeof(void*));
}

/// Puts lists of products on streams with a handle. Its host memory grows to a high-water mark.
template <class Scale>
class product_calls {
 public:
  /// One call for all of them, whose pointers go through `pointers`, of pointer_bytes.
  template <row_element Row, row_element Out>
  void grouped(queue& q, cublasHandle_t handle, product_kind<Row, Out> const& kind,
               std::span<blas_product const> list, void const** pointers) {
    write(q, list, pointers);
    collect(list);
    left_ops_.assign(list.size(), kind.left);
    right_ops_.assign(list.size(), kind.right);
    ones_.assign(list.size(), Scale{1});
    kept_.assign(list.size(), Scale{kind.adds ? 1.0F : 0.0F});
    sizes_.assign(list.size(), 1);
    auto* const out = const_cast<void* const*>(pointers + 2 * list.size());
    check(cublasGemmGroupedBatchedEx(
              handle, left_ops_.data(), right_ops_.data(), m_.data(), n_.data(), k_.data(),
              ones_.data(), pointers, blas_type<Row>, left_strides_.data(), pointers + list.size(),
              blas_type<Row>, right_strides_.data(), kept_.data(), out, blas_type<Out>,
              out_strides_.data(), blas_size(std::ssize(list)), sizes_.data(), kind.compute),
          "cublasGemmGroupedBatchedEx");
  }

  /// A call for one.
  template <row_element Row, row_element Out>
  static void single(cublasHandle_t handle, product_kind<Row, Out> const& kind,
                     blas_product const& p) {
    Scale const one{1};
    Scale const kept{kind.adds ? 1.0F : 0.0F};
    check(cublasGemmEx(handle, kind.left, kind.right, p.m, p.n, p.k, &one, p.left, blas_type<Row>,
                       p.left_stride, p.right, blas_type<Row>, p.right_stride, &kept, p.out,
                       blas_type<Out>, p.out_stride, kind.compute, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  }

 private:
  // First all left ones, then the right ones, then where results go.
  static void write(queue& q, std::span<blas_product const> list, void const** to) {
    constexpr int threads = 128;
    auto const pointer = [&](std::size_t i) -> void const* {
      auto const& p = list[i % list.size()];
      if (i < list.size()) return p.left;
      return i < 2 * list.size() ? p.right : p.out;
    };
    for (std::size_t first = 0; first < 3 * list.size(); first += pointer_batch::most) {
      auto const count = (std::min)(pointer_batch::most, 3 * list.size() - first);
      pointer_batch batch;
      for (std::size_t i = 0; i < count; ++i) batch.at[i] = pointer(first + i);
      launch(q, {ceil_div(static_cast<std::int64_t>(count), threads), threads},
             write_pointers<pointer_batch>, batch, static_cast<int>(count), to + first);
    }
  }

  void collect(std::span<blas_product const> list) {
    for (auto* const sizes : {&m_, &n_, &k_, &left_strides_, &right_strides_, &out_strides_})
      sizes->clear();
    for (auto const& p : list) {
      m_.push_back(p.m);
      n_.push_back(p.n);
      k_.push_back(p.k);
      left_strides_.push_back(p.left_stride);
      right_strides_.push_back(p.right_stride);
      out_strides_.push_back(p.out_stride);
    }
  }

  std::vector<cublasOperation_t> left_ops_, right_ops_;
  std::vector<int> m_, n_, k_, left_strides_, right_strides_, out_strides_, sizes_;
  std::vector<Scale> ones_, kept_;
};

}  // namespace llep::cuda::detail
