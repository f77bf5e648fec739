// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "program.hpp"

namespace on_host_test {
namespace {

CUDA_ON_HOST_DYNAMIC_SHARED(dynamic_bytes);

__global__ void block_sum(float const* __restrict__ x, float* y, int n) {
  __shared__ float part[32];
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += static_cast<int>(blockDim.x)) sum += x[i];
  for (unsigned o = 16; o > 0; o /= 2) sum += __shfl_down_sync(0xFFFFFFFFU, sum, o);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0.0F;
    for (int o = 16; o > 0; o /= 2) sum += __shfl_xor_sync(0xFFFFFFFFU, sum, o);
    if (threadIdx.x == 0) *y = sum;
  }
}

// The rank of each lane among those of its warp with the same key, without and with its group.
__global__ void rank_by_key(int const* keys, int* ranks, int* sizes) {
  unsigned const group = __match_any_sync(0xFFFFFFFFU, keys[threadIdx.x]);
  unsigned const lane = threadIdx.x % 32;
  ranks[threadIdx.x] = __popc(group & ((1U << lane) - 1U));
  sizes[threadIdx.x] = static_cast<int>(__reduce_add_sync(group, 1U));  // masks that differ
}

__global__ void count_all(int* total, unsigned* most, float* halves) {
  atomicAdd(total, 1);
  atomicMax(most, blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(halves, 0.5F);
}

template <bool Barrier>
__global__ void reverse(int* x) {
  __shared__ int copy[128];
  copy[threadIdx.x] = x[threadIdx.x];
  if constexpr (Barrier) __syncthreads();
  x[threadIdx.x] = copy[127 - threadIdx.x];
}

__global__ void reverse_dynamic(int* x, __grid_constant__ int const n) {
  extern __shared__ unsigned char dynamic_bytes[];
  int* const copy = reinterpret_cast<int*>(dynamic_bytes);
  copy[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = copy[n - 1 - static_cast<int>(threadIdx.x)];
}

[[gnu::no_sanitize_address]] __global__ void write_behind() {  // it would be faster
  extern __shared__ unsigned char dynamic_bytes[];
  dynamic_bytes[threadIdx.x] = 0;
}

__global__ void some_leave(int* out) {
  if (threadIdx.x % 3 == 0) return;
  __syncthreads();
  int const others = __syncthreads_count(1);
  bool const all = __syncthreads_and(threadIdx.x > 0) != 0;
  bool const any = __syncthreads_or(threadIdx.x == 0) != 0;
  out[threadIdx.x] = all && !any ? others : -1;
}

__global__ void lane_left_behind() {
  if (threadIdx.x == 40)
    __syncthreads();
  else
    __syncwarp();
}
__global__ void two_barriers() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}

__global__ void wait_for_a_later_thread(int* flag) {
  if (threadIdx.x == 0)
    while (atomicAdd(flag, 0) == 0) __nanosleep(100);
  if (threadIdx.x == blockDim.x - 1) atomicExch(flag, 1);
}

__global__ void votes(unsigned* out) {
  unsigned const lane = threadIdx.x;
  out[0] = __ballot_sync(0xFFFFFFFFU, lane % 2 == 0);
  out[1] = static_cast<unsigned>(__any_sync(0xFFFFFFFFU, lane == 7));
  out[2] = static_cast<unsigned>(__all_sync(0xFFFFFFFFU, lane != 7));
  out[3] = __reduce_max_sync(0xFFFFFFFFU, lane);
  out[4] = static_cast<unsigned>(__reduce_min_sync(0xFFFFFFFFU, -static_cast<int>(lane)) + 31);
  out[5] = __reduce_or_sync(0xFFFFFFFFU, 1U << lane);
  unsigned const up = __shfl_up_sync(0xFFFFFFFFU, lane, 1, 8);
  unsigned const fixed = __shfl_sync(0xFFFFFFFFU, lane, 3, 8);
  out[8 + 2 * lane] = up;
  out[9 + 2 * lane] = fixed;
}

std::vector<int> ascending(std::size_t n) {
  std::vector<int> v(n);
  std::iota(v.begin(), v.end(), 0);
  return v;
}

}  // namespace

TEST_CASE("a block sums by shuffles and a barrier, in any order of its threads") {
  quiet_machine const machine;
  own_stream const s;
  for (unsigned seed = 0; seed < 5; ++seed) {
    cuda_on_host::knobs().seed = seed;
    device_array<float> const x(std::vector<float>(1000, 1.0F)), y(1);
    auto const c = shape(1, 256, s);
    ok(cudaLaunchKernelEx(&c, block_sum, x.data(), y.data(), 1000));
    s.wait();
    CHECK(y.values()[0] == 1000.0F);
  }
}

TEST_CASE("lanes with the same key find each other") {
  quiet_machine const machine;
  own_stream const s;
  std::vector<int> keys(64);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<int>(i * i % 5);
  device_array<int> const k(keys), ranks(64), sizes(64);
  auto const c = shape(1, 64, s);
  ok(cudaLaunchKernelEx(&c, rank_by_key, k.data(), ranks.data(), sizes.data()));
  s.wait();
  auto const r = ranks.values(), n = sizes.values();
  for (std::size_t i = 0; i < 64; ++i) {
    int rank = 0, size = 0;
    for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) {
      size += keys[j] == keys[i];
      rank += keys[j] == keys[i] && j < i;
    }
    CHECK(r[i] == rank);
    CHECK(n[i] == size);
  }
}

TEST_CASE("atomics count on two streams at once") {
  own_stream const a, b;
  device_array<int> const total(std::vector<int>{0});
  device_array<unsigned> const most(std::vector<unsigned>{0});
  device_array<float> const halves(std::vector<float>{0});
  for (own_stream const* s : {&a, &b}) {
    auto const c = shape(50, 100, *s);
    ok(cudaLaunchKernelEx(&c, count_all, total.data(), most.data(), halves.data()));
  }
  a.wait();
  b.wait();
  CHECK(total.values()[0] == 10000);
  CHECK(most.values()[0] == 4999);
  CHECK(halves.values()[0] == 5000.0F);
}

TEST_CASE("a missing barrier gives a wrong result in some order") {
  quiet_machine const machine;
  own_stream const s;
  int wrong = 0;
  for (unsigned seed = 0; seed < 4; ++seed) {
    cuda_on_host::knobs().seed = seed;
    std::vector<int> const before = ascending(128), after(before.rbegin(), before.rend());
    device_array<int> const good(before), bad(before);
    auto const c = shape(1, 128, s);
    ok(cudaLaunchKernelEx(&c, reverse<true>, good.data()));
    ok(cudaLaunchKernelEx(&c, reverse<false>, bad.data()));
    s.wait();
    CHECK(good.values() == after);
    wrong += bad.values() != after;
  }
  CHECK(wrong > 0);
}

TEST_CASE("a launch has the dynamic shared memory it asks for") {
  own_stream const s;
  std::vector<int> const before = ascending(96), after(before.rbegin(), before.rend());
  device_array<int> const x(before);
  auto c = shape(1, 96, s, 96 * sizeof(int));
  ok(cudaLaunchKernelEx(&c, reverse_dynamic, x.data(), 96));
  s.wait();
  CHECK(x.values() == after);
  c.dynamicSmemBytes = 100000;
  CHECK(cudaLaunchKernelEx(&c, reverse_dynamic, x.data(), 96) == cudaErrorInvalidValue);
  ok(cudaFuncSetAttribute(reverse_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000));
  ok(cudaLaunchKernelEx(&c, reverse_dynamic, x.data(), 96));
  s.wait();
  CHECK(x.values() == before);
}

TEST_CASE("what is written behind dynamic shared memory is reported") {
  quiet_machine machine;
  own_stream const s;
  auto const enough = shape(2, 32, s, 32), less = shape(2, 32, s, 31);
  ok(cudaLaunchKernelEx(&enough, write_behind));
  s.wait();
  ok(cudaLaunchKernelEx(&less, write_behind));
  CHECK(cudaStreamSynchronize(s) == cudaErrorLaunchFailure);
  CHECK(machine.message.find("behind its 31 bytes") != std::string::npos);
  cuda_on_host::forget_failures();
}

TEST_CASE("threads that have left count as arrived") {
  own_stream const s;
  device_array<int> const out(90);
  auto const c = shape(1, 90, s);
  ok(cudaLaunchKernelEx(&c, some_leave, out.data()));
  s.wait();
  auto const v = out.values();
  for (std::size_t i = 0; i < 90; ++i) CHECK(v[i] == (i % 3 == 0 ? -1 : 60));
}

TEST_CASE("a barrier that part of a warp never reaches is reported, and the device fails") {
  quiet_machine machine;
  own_stream const s;
  auto const c = shape(1, 64, s);
  ok(cudaLaunchKernelEx(&c, lane_left_behind));
  CHECK(cudaStreamSynchronize(s) == cudaErrorLaunchFailure);
  INFO(machine.message);
  CHECK(machine.message.find("lane_left_behind") != std::string::npos);
  CHECK(machine.message.find("block (0,0,0) thread (32,0,0)") != std::string::npos);
  CHECK(machine.message.find("(40,0,0)") != std::string::npos);
  CHECK(cudaLaunchKernelEx(&c, two_barriers) == cudaErrorLaunchFailure);
  cuda_on_host::forget_failures();
  ok(cudaLaunchKernelEx(&c, two_barriers));
  CHECK(cudaStreamSynchronize(s) == cudaErrorLaunchFailure);
  CHECK(machine.message.find("at another") != std::string::npos);
  cuda_on_host::forget_failures();
  device_array<int> const x(ascending(128));
  auto const c128 = shape(1, 128, s);
  ok(cudaLaunchKernelEx(&c128, reverse<true>, x.data()));  // its fibers work again
  s.wait();
  CHECK(x.values()[0] == 127);
}

TEST_CASE("a thread that sleeps lets the others of its block run") {
  own_stream const s;
  device_array<int> const flag(std::vector<int>{0});
  auto const c = shape(1, 256, s);
  ok(cudaLaunchKernelEx(&c, wait_for_a_later_thread, flag.data()));
  s.wait();
  CHECK(flag.values()[0] == 1);
}

TEST_CASE("a warp votes, reduces and shuffles in segments") {
  own_stream const s;
  device_array<unsigned> const out(8 + 64);
  auto const c = shape(1, 32, s);
  ok(cudaLaunchKernelEx(&c, votes, out.data()));
  s.wait();
  auto const v = out.values();
  CHECK(v[0] == 0x55555555U);
  CHECK(v[1] == 1);
  CHECK(v[2] == 0);
  CHECK(v[3] == 31);
  CHECK(v[4] == 0);
  CHECK(v[5] == 0xFFFFFFFFU);
  for (unsigned lane = 0; lane < 32; ++lane) {
    CHECK(v[8 + 2 * lane] == (lane % 8 == 0 ? lane : lane - 1));
    CHECK(v[9 + 2 * lane] == lane / 8 * 8 + 3);
  }
}

TEST_CASE("a launch that hardware refuses is refused") {
  own_stream const s;
  device_array<int> const x(ascending(128));
  for (auto const& c : {shape(0, 32, s), shape(1, 0, s), shape(1, 1025, s)})
    CHECK(cudaLaunchKernelEx(&c, reverse<true>, x.data()) == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaSuccess);
  auto const c = shape(1, 32, s);
  ok(cudaSetDevice(1));
  CHECK(cudaLaunchKernelEx(&c, reverse<true>, x.data()) == cudaErrorInvalidResourceHandle);
  ok(cudaSetDevice(0));
  cudaGetLastError();
}

TEST_CASE("arithmetic is as there") {
  CHECK(__clz(1) == 31);
  CHECK(__ffs(8) == 4);
  CHECK(__popcll(0xFFULL << 40U) == 8);
  CHECK(min(3, 4U) == 3U);
  CHECK(max(1.0F, 2.0) == 2.0);
  CHECK(__float_as_uint(1.0F) == 0x3F800000U);
  CHECK(__expf(0.0F) == 1.0F);
  CHECK(alignof(float4) == 16);
  CHECK(alignof(int2) == 8);
  CHECK(alignof(ulonglong2) == 16);
}

}  // namespace on_host_test
