// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <cublas_v2.h>

#include "program.hpp"

namespace on_host_test {
namespace {

struct own_handle {
  cublasHandle_t h = nullptr;
  explicit own_handle(cudaStream_t s) {
    REQUIRE(cublasCreate(&h) == CUBLAS_STATUS_SUCCESS);
    REQUIRE(cublasSetStream(h, s) == CUBLAS_STATUS_SUCCESS);
  }
  own_handle(own_handle const&) = delete;
  own_handle& operator=(own_handle const&) = delete;
  ~own_handle() { cublasDestroy(h); }
};

template <class T>
std::vector<T> small_numbers(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<T> v(n);
  for (auto& x : v) x = T(static_cast<float>(random() % 5) - 2.0F);
  return v;
}

/// Of whole numbers: exact in every type.
template <class T, class Sum>
void check_against_loops(cudaDataType_t type, cublasComputeType_t compute, cublasOperation_t op_a,
                         cublasOperation_t op_b) {
  int const m = 5, n = 3, k = 7, ld = 9;
  own_stream const s;
  own_handle const blas(s);
  auto const a = small_numbers<T>(81, 1), b = small_numbers<T>(81, 2);
  std::vector<T> c(81, T(std::numeric_limits<float>::quiet_NaN()));
  device_array<T> const da(a), db(b), dc(c);
  Sum const alpha{2}, none{0}, one{1};
  auto const gemm = [&](Sum const* beta) {
    REQUIRE(cublasGemmEx(blas.h, op_a, op_b, m, n, k, &alpha, da.data(), type, ld, db.data(), type,
                         ld, beta, dc.data(), type, ld, compute,
                         CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS);
  };
  gemm(&none);  // doesn't read the NaN
  gemm(&one);
  s.wait();
  auto const got = dc.values();
  auto const value_at = [](auto const& list, int at) {
    return static_cast<float>(list[static_cast<std::size_t>(at)]);
  };
  for (int i = 0; i < ld; ++i)
    for (int j = 0; j < ld; ++j) {
      float sum = 0;
      for (int p = 0; p < k && i < m && j < n; ++p)
        sum += value_at(a, op_a == CUBLAS_OP_T ? p + ld * i : i + ld * p) *
               value_at(b, op_b == CUBLAS_OP_T ? j + ld * p : p + ld * j);
      float const value = value_at(got, i + ld * j);
      CHECK((i < m && j < n ? value == 4 * sum : std::isnan(value)));
    }
}

}  // namespace

TEST_CASE("a product is that of plain loops, for every type and transposition") {
  for (auto op_a : {CUBLAS_OP_N, CUBLAS_OP_T})
    for (auto op_b : {CUBLAS_OP_N, CUBLAS_OP_T}) {
      check_against_loops<float, float>(CUDA_R_32F, CUBLAS_COMPUTE_32F, op_a, op_b);
      check_against_loops<double, double>(CUDA_R_64F, CUBLAS_COMPUTE_64F, op_a, op_b);
      check_against_loops<__half, float>(CUDA_R_16F, CUBLAS_COMPUTE_32F, op_a, op_b);
      check_against_loops<__nv_bfloat16, float>(CUDA_R_16BF, CUBLAS_COMPUTE_32F, op_a, op_b);
    }
}

TEST_CASE("groups of products have their own sizes") {
  own_stream const s;
  own_handle const blas(s);
  int const m[] = {2, 1}, n[] = {2, 3}, k[] = {2, 0}, lda[] = {2, 1}, ldb[] = {2, 1},
            ldc[] = {2, 1};
  cublasOperation_t const ops[] = {CUBLAS_OP_N, CUBLAS_OP_N};
  float const alpha[] = {1, 1}, beta[] = {0, 0};
  int const sizes[] = {2, 1};
  device_array<float> const a(std::vector<float>{1, 2, 3, 4}), b(std::vector<float>{1, 0, 0, 1}),
      c(11);
  float* const to = c.data();
  device_array<void*> const as(std::vector<void*>{a.data(), b.data(), nullptr});
  device_array<void*> const bs(std::vector<void*>{b.data(), a.data(), nullptr});
  device_array<void*> const cs(std::vector<void*>{to, to + 4, to + 8});
  auto const run = [&](void* const* pointers) {
    return cublasGemmGroupedBatchedEx(blas.h, ops, ops, m, n, k, alpha, as.data(), CUDA_R_32F, lda,
                                      bs.data(), CUDA_R_32F, ldb, beta, pointers, CUDA_R_32F, ldc,
                                      2, sizes, CUBLAS_COMPUTE_32F);
  };
  REQUIRE(run(cs.data()) == CUBLAS_STATUS_SUCCESS);
  s.wait();
  CHECK(c.values() == std::vector<float>{1, 2, 3, 4, 1, 2, 3, 4, 0, 0, 0});
  void* const on_host[] = {to, to + 4, to + 8};
  CHECK(run(on_host) == CUBLAS_STATUS_INVALID_VALUE);
}

TEST_CASE("a product that makes no sense is refused") {
  own_stream const s;
  own_handle const blas(s);
  device_array<float> const x(16);
  float const one = 1;
  auto const run = [&](int m, int lda, void const* a, cudaDataType_t type) {
    return cublasGemmEx(blas.h, CUBLAS_OP_N, CUBLAS_OP_N, m, 2, 2, &one, a, type, lda, x.data(),
                        type, 2, &one, x.data(), type, 4, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
  };
  CHECK(run(-1, 4, x.data(), CUDA_R_32F) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(run(4, 3, x.data(), CUDA_R_32F) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(run(4, 4, nullptr, CUDA_R_32F) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(run(4, 4, x.data(), CUDA_R_32I) == CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_CASE("16 bits come back as they went, and floats are rounded to the nearest") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    auto const b = static_cast<unsigned short>(bits);
    float const from_half = __half2float(__ushort_as_half(b));
    float const from_bfloat = __bfloat162float(__ushort_as_bfloat16(b));
    if (std::isnan(from_half))
      REQUIRE(std::isnan(__half2float(__float2half(from_half))));
    else
      REQUIRE(__half_as_ushort(__float2half(from_half)) == b);
    if (std::isnan(from_bfloat))
      REQUIRE(std::isnan(__bfloat162float(__float2bfloat16(from_bfloat))));
    else
      REQUIRE(__bfloat16_as_ushort(__float2bfloat16(from_bfloat)) == b);
  }
  for (unsigned bits = 0; bits < 0x7BFF; ++bits) {  // between neighbours: the even one
    auto const low = static_cast<unsigned short>(bits);
    float const f = __half2float(__ushort_as_half(low));
    float const g = __half2float(__ushort_as_half(static_cast<unsigned short>(bits + 1)));
    float const middle = f + (g - f) / 2;
    REQUIRE(__half_as_ushort(__float2half(middle)) == (bits + 1) / 2 * 2);
    REQUIRE(__half_as_ushort(__float2half(std::nextafter(middle, 1e9F))) == bits + 1);
    REQUIRE(__half_as_ushort(__float2half(std::nextafter(middle, 0.0F))) == bits);
  }
  CHECK(__bfloat16_as_ushort(__float2bfloat16(std::bit_cast<float>(0x3F808000U))) == 0x3F80);
  CHECK(__bfloat16_as_ushort(__float2bfloat16(std::bit_cast<float>(0x3F818000U))) == 0x3F82);
  CHECK(std::isinf(__half2float(__float2half(65520.0F))));
}

}  // namespace on_host_test
