// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "program.hpp"

namespace on_host_test {
namespace {

__global__ void add(int* x, int v) { *x += v; }
__global__ void times(int* x, int v) { *x *= v; }

cudaError_t begin(cudaStream_t s) {
  return cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal);
}

}  // namespace

TEST_CASE("what two streams captured is repeated, in any order that their events allow") {
  quiet_machine const machine;
  own_stream const a, b;
  own_event const fork, join;
  device_array<int> const x(std::vector<int>{1}), y(std::vector<int>{1});
  auto const on_a = shape(1, 1, a), on_b = shape(1, 1, b);
  cudaGraph_t graph = nullptr;
  ok(begin(a));
  ok(cudaLaunchKernelEx(&on_a, add, x.data(), 1));
  ok(cudaEventRecord(fork, a));
  ok(cudaStreamWaitEvent(b, fork));
  ok(cudaLaunchKernelEx(&on_b, times, x.data(), 3));
  ok(cudaLaunchKernelEx(&on_a, add, y.data(), 7));
  ok(cudaEventRecord(join, b));
  ok(cudaStreamWaitEvent(a, join));
  ok(cudaLaunchKernelEx(&on_a, add, x.data(), 10));
  cudaStreamCaptureStatus status{};
  ok(cudaStreamIsCapturing(b, &status));
  CHECK(status == cudaStreamCaptureStatusActive);
  ok(cudaStreamEndCapture(a, &graph));
  ok(cudaStreamIsCapturing(b, &status));
  CHECK(status == cudaStreamCaptureStatusNone);
  a.wait();
  CHECK(x.values()[0] == 1);  // nothing has run

  std::size_t nodes = 0;
  ok(cudaGraphGetNodes(graph, nullptr, &nodes));
  CHECK(nodes == 4);
  cudaGraphExec_t exec = nullptr;
  ok(cudaGraphInstantiate(&exec, graph, 0));
  ok(cudaGraphDestroy(graph));
  int expected = 1;
  for (unsigned seed = 0; seed < 6; ++seed) {
    cuda_on_host::knobs().seed = seed;
    ok(cudaGraphLaunch(exec, b));
    b.wait();
    expected = (expected + 1) * 3 + 10;
    CHECK(x.values()[0] == expected);
  }
  CHECK(y.values()[0] == 43);
  ok(cudaGraphExecDestroy(exec));
}

TEST_CASE("a capture bears no waiting host, no allocation and no loose ends") {
  own_stream const a, b;
  own_event const e;
  cudaGraph_t graph = nullptr;
  void* p = nullptr;

  ok(begin(a));
  CHECK(cudaStreamSynchronize(a) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);
  ok(begin(a));
  CHECK(cudaMalloc(&p, 16) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaMemsetAsync(nullptr, 0, 16, a) != cudaSuccess);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);
  ok(begin(a));
  CHECK(cudaDeviceSynchronize() == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);

  ok(begin(a));
  ok(cudaEventRecord(e, a));
  ok(cudaStreamWaitEvent(b, e));
  ok(cuda_on_host::put(b, [] {}));
  CHECK(cudaStreamEndCapture(b, &graph) == cudaErrorStreamCaptureUnmatched);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);

  ok(begin(a));
  ok(cudaEventRecord(e, a));
  CHECK(cudaEventQuery(e) == cudaErrorCapturedEvent);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);

  ok(begin(a));
  ok(cudaEventRecord(e, a));
  ok(cudaStreamWaitEvent(b, e));
  ok(cuda_on_host::put(b, [] {}));
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureUnjoined);

  ok(cudaEventRecord(e, b));
  ok(begin(a));
  CHECK(cudaStreamWaitEvent(a, e) == cudaErrorStreamCaptureIsolation);
  CHECK(cudaStreamEndCapture(a, &graph) == cudaErrorStreamCaptureInvalidated);
  CHECK(graph == nullptr);
  a.wait();
  cudaGetLastError();
}

}  // namespace on_host_test
