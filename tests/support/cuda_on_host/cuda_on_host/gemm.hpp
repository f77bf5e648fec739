// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../cuda_bf16.h"
#include "../cuda_fp16.h"
#include "library_types.hpp"

// C = alpha op(A) op(B) + beta C, all column major, summed over k in ascending order.

namespace cuda_on_host {

struct gemm_shape {
  int m, n, k, lda, ldb, ldc;
  bool transpose_a, transpose_b;
};

inline std::size_t at(int row, int column, int ld) {
  return static_cast<std::size_t>(row) +
         static_cast<std::size_t>(column) * static_cast<std::size_t>(ld);
}

/// As many columns as B has, of k elements each; and of op(A)'s rows.
template <class Sum, class Element>
std::vector<Sum> packed(Element const* from, int count, int k, int ld, bool k_is_row) {
  std::vector<Sum> to(static_cast<std::size_t>(count) * static_cast<std::size_t>(k));
  for (int i = 0; i < count; ++i)
    for (int p = 0; p < k; ++p)
      to[at(p, i, k)] = static_cast<Sum>(k_is_row ? from[at(p, i, ld)] : from[at(i, p, ld)]);
  return to;
}

template <class Sum, class In, class Out>
void gemm(gemm_shape const& s, Sum alpha, In const* a, In const* b, Sum beta, Out* c) {
  auto const columns_of_b = packed<Sum>(b, s.n, s.k, s.ldb, !s.transpose_b);
  std::vector<Sum> by_k(static_cast<std::size_t>(s.m) * static_cast<std::size_t>(s.k));
  for (int p = 0; p < s.k; ++p)  // op(A), column major without gaps
    for (int i = 0; i < s.m; ++i)
      by_k[at(i, p, s.m)] =
          static_cast<Sum>(s.transpose_a ? a[at(p, i, s.lda)] : a[at(i, p, s.lda)]);
  std::vector<Sum> sum(static_cast<std::size_t>(s.m));
  for (int j = 0; j < s.n; ++j) {
    std::fill(sum.begin(), sum.end(), Sum{0});
    for (int p = 0; p < s.k; ++p) {
      Sum const factor = columns_of_b[at(p, j, s.k)];
      Sum const* const column = by_k.data() + at(0, p, s.m);
      for (int i = 0; i < s.m; ++i) sum[static_cast<std::size_t>(i)] += column[i] * factor;
    }
    for (int i = 0; i < s.m; ++i) {
      Out& out = c[at(i, j, s.ldc)];
      Sum const scaled = alpha * sum[static_cast<std::size_t>(i)];
      out = static_cast<Out>(beta == Sum{0} ? scaled : scaled + beta * static_cast<Sum>(out));
    }
  }
}

/// The elements' types, known only now.
struct gemm_types {
  cudaDataType_t in, out;
  bool in_double;  // the sums

  bool known() const {
    auto const is = [](cudaDataType_t t) {
      return t == CUDA_R_32F || t == CUDA_R_64F || t == CUDA_R_16F || t == CUDA_R_16BF;
    };
    bool const wide = in == CUDA_R_64F && out == CUDA_R_64F;
    bool const narrow = in != CUDA_R_64F && (out == in || out == CUDA_R_32F);
    return is(in) && is(out) && (in_double ? wide : narrow);
  }
};

inline void gemm(gemm_types t, gemm_shape const& s, double alpha, void const* a, void const* b,
                 double beta, void* c) {
  auto const run = [&]<class In, class Out>(In const*, Out*) {
    gemm<float, In, Out>(s, static_cast<float>(alpha), static_cast<In const*>(a),
                         static_cast<In const*>(b), static_cast<float>(beta), static_cast<Out*>(c));
  };
  if (t.in_double)
    return gemm<double, double, double>(s, alpha, static_cast<double const*>(a),
                                        static_cast<double const*>(b), beta,
                                        static_cast<double*>(c));
  auto const of = [&]<class In>(In const* in) {
    if (t.out == CUDA_R_32F) return run(in, static_cast<float*>(nullptr));
    run(in, static_cast<In*>(nullptr));
  };
  if (t.in == CUDA_R_16BF) return of(static_cast<__nv_bfloat16 const*>(nullptr));
  if (t.in == CUDA_R_16F) return of(static_cast<__half const*>(nullptr));
  of(static_cast<float const*>(nullptr));
}

}  // namespace cuda_on_host
