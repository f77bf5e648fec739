// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "program.hpp"

namespace on_host_test {
namespace {

__global__ void add(int* x, int v) { *x += v; }
__global__ void times(int* x, int v) { *x *= v; }

/// Holds a stream until it's let go.
struct gate {
  std::atomic<bool> open{false};
  void close(cudaStream_t s) {
    ok(cuda_on_host::put(s, [this] { open.wait(false); }));
  }
  void release() {
    open = true;
    open.notify_all();
  }
};

}  // namespace

TEST_CASE("a stream's ops run in order, and not when they are put") {
  own_stream const s;
  device_array<int> const x(std::vector<int>{1});
  gate g;
  g.close(s);
  auto const c = shape(1, 1, s);
  ok(cudaLaunchKernelEx(&c, add, x.data(), 2));
  ok(cudaLaunchKernelEx(&c, times, x.data(), 5));
  CHECK(cudaStreamQuery(s) == cudaErrorNotReady);
  cudaGetLastError();
  CHECK(*x.data() == 1);
  g.release();
  s.wait();
  ok(cudaStreamQuery(s));
  CHECK(x.values()[0] == 15);
}

TEST_CASE("a wait is for the record before it, not for a later one") {
  own_stream const a, b;
  own_event const e;
  gate first, second;
  ok(cudaStreamWaitEvent(b, e));  // never recorded: nothing to wait for
  b.wait();
  ok(cudaEventSynchronize(e));
  ok(cudaEventQuery(e));

  first.close(a);
  ok(cudaEventRecord(e, a));
  ok(cudaStreamWaitEvent(b, e));
  second.close(a);
  ok(cudaEventRecord(e, a));
  CHECK(cudaStreamQuery(b) == cudaErrorNotReady);
  first.release();
  b.wait();
  CHECK(cudaEventQuery(e) == cudaErrorNotReady);
  cudaGetLastError();
  second.release();
  ok(cudaEventSynchronize(e));
}

TEST_CASE("streams meet by events under any delays") {
  quiet_machine const machine;
  cuda_on_host::knobs().max_delay_us = 100;
  own_stream const a, b;
  own_event const there, back;
  device_array<int> const x(std::vector<int>{0});
  auto const on_a = shape(1, 1, a), on_b = shape(1, 1, b);
  int expected = 0;
  for (int i = 0; i < 20; ++i) {
    ok(cudaLaunchKernelEx(&on_a, add, x.data(), i));
    ok(cudaEventRecord(there, a));
    ok(cudaStreamWaitEvent(b, there));
    ok(cudaLaunchKernelEx(&on_b, times, x.data(), i % 3));
    ok(cudaEventRecord(back, b));
    ok(cudaStreamWaitEvent(a, back));
    expected = (expected + i) * (i % 3);
  }
  a.wait();
  CHECK(x.values()[0] == expected);
}

TEST_CASE("streams and events of another device are told apart") {
  own_stream const here;
  ok(cudaSetDevice(1));
  own_stream const there;
  own_event const e;
  int device = -1;
  ok(cudaStreamGetDevice(here, &device));
  CHECK(device == 0);
  CHECK(cudaEventRecord(e, here) == cudaErrorInvalidResourceHandle);
  ok(cudaEventRecord(e, there));
  ok(cudaStreamWaitEvent(here, e));
  ok(cudaSetDevice(0));
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  cudaGetLastError();
}

TEST_CASE("host functions run in order and may not call the runtime") {
  own_stream const s;
  cudaError_t seen = cudaSuccess;
  ok(cudaLaunchHostFunc(
      s, [](void* p) { *static_cast<cudaError_t*>(p) = cudaDeviceSynchronize(); }, &seen));
  s.wait();
  CHECK(seen == cudaErrorNotPermitted);
}

TEST_CASE("calls fail when asked to, and are counted") {
  quiet_machine const machine;
  own_stream const s;
  void* p = nullptr;
  cuda_on_host::fail_call(2, cudaErrorMemoryAllocation, "cudaMallocAsync");
  ok(cudaMallocAsync(&p, 16, s));
  ok(cudaFreeAsync(p, s));
  CHECK(cudaMallocAsync(&p, 16, s) == cudaErrorMemoryAllocation);
  CHECK(cudaGetLastError() == cudaErrorMemoryAllocation);
  s.wait();
  cuda_on_host::fail_call_here(1, cudaErrorLaunchFailure);
  std::thread([&] { ok(cudaStreamQuery(s)); }).join();
  CHECK(cudaStreamSynchronize(s) == cudaErrorLaunchFailure);
  CHECK_FALSE(cuda_on_host::stop_failing());

  cuda_on_host::reset_counts();
  cuda_on_host::reset_thread_counts();
  s.wait();
  ok(cudaDeviceSynchronize());
  std::thread([&] { ok(cudaStreamSynchronize(s)); }).join();
  CHECK(cuda_on_host::counts().stream_syncs == 2);
  CHECK(cuda_on_host::counts().host_syncs() == 3);
  CHECK(cuda_on_host::thread_counts().stream_syncs == 1);
}

TEST_CASE("the time between two events is known") {
  own_stream const s;
  cudaEvent_t a = nullptr, b = nullptr;
  ok(cudaEventCreate(&a));
  ok(cudaEventCreate(&b));
  ok(cudaEventRecord(a, s));
  ok(cuda_on_host::put(s, [] { std::this_thread::sleep_for(std::chrono::milliseconds(3)); }));
  ok(cudaEventRecord(b, s));
  ok(cudaEventSynchronize(b));
  float ms = 0;
  ok(cudaEventElapsedTime(&ms, a, b));
  CHECK(ms >= 2.9F);
  ok(cudaEventDestroy(a));
  ok(cudaEventDestroy(b));
}

}  // namespace on_host_test
