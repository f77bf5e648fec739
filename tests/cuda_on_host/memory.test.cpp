// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdint>
#include <vector>

#include "program.hpp"

namespace on_host_test {

TEST_CASE("a pointer's kind is known, inside its block too") {
  int plain = 0;
  float *device = nullptr, *pinned = nullptr;
  ok(cudaSetDevice(1));
  ok(cudaMalloc(&device, 400));
  ok(cudaMallocHost(&pinned, 400));
  ok(cudaSetDevice(0));
  cudaPointerAttributes a{};
  ok(cudaPointerGetAttributes(&a, &plain));
  CHECK(a.type == cudaMemoryTypeUnregistered);
  ok(cudaPointerGetAttributes(&a, device + 99));
  CHECK(a.type == cudaMemoryTypeDevice);
  CHECK(a.device == 1);
  ok(cudaPointerGetAttributes(&a, device + 100));
  CHECK(a.type != cudaMemoryTypeDevice);
  ok(cudaPointerGetAttributes(&a, pinned + 1));
  CHECK(a.type == cudaMemoryTypeHost);
  CHECK(std::isnan(device[7]));
  CHECK(reinterpret_cast<std::uintptr_t>(device) % 256 == 0);
  ok(cudaFree(device));
  ok(cudaFreeHost(pinned));
}

TEST_CASE("memory is limited, counted and freed once") {
  quiet_machine const machine;
  own_stream const s;
  auto const before = cuda_on_host::live_device_blocks();
  cuda_on_host::knobs().device_bytes = 1000;
  void *p = nullptr, *q = nullptr;
  ok(cudaMallocAsync(&p, 600, s));
  CHECK(cuda_on_host::live_device_blocks() == before + 1);
  CHECK(cudaMalloc(&q, 600) == cudaErrorMemoryAllocation);
  std::size_t free = 0, total = 0;
  ok(cudaMemGetInfo(&free, &total));
  CHECK(free == 400);
  CHECK(total == 1000);
  ok(cudaFreeAsync(p, s));
  CHECK(cudaFreeAsync(p, s) == cudaErrorInvalidValue);
  ok(cudaMallocAsync(&q, 1000, s));
  ok(cudaFree(q));
  CHECK(cuda_on_host::live_device_blocks() == before);
}

TEST_CASE("a copy stays inside its blocks and is of the kind it says") {
  own_stream const s;
  device_array<int> const x(std::vector<int>{1, 2, 3, 4}), y(4);
  std::vector<int> host(8);
  ok(cudaMemcpyAsync(y.data(), x.data(), 16, cudaMemcpyDefault, s));
  s.wait();
  CHECK(y.values() == std::vector<int>{1, 2, 3, 4});
  ok(cudaMemsetAsync(y.data() + 1, 0, 8, s));
  s.wait();
  CHECK(y.values() == std::vector<int>{1, 0, 0, 4});
  CHECK(cudaMemcpyAsync(y.data() + 1, x.data(), 16, cudaMemcpyDefault, s) == cudaErrorInvalidValue);
  CHECK(cudaMemcpyAsync(host.data(), x.data(), 16, cudaMemcpyHostToDevice, s) ==
        cudaErrorInvalidValue);
  CHECK(cudaMemcpyPeerAsync(y.data(), 1, x.data(), 0, 16, s) == cudaErrorInvalidValue);
  CHECK(cudaMemsetAsync(host.data(), 0, 16, s) == cudaErrorInvalidValue);
  cudaGetLastError();
}

TEST_CASE("the devices are known") {
  int count = 0, value = 0;
  ok(cudaGetDeviceCount(&count));
  CHECK(count == 2);
  ok(cudaDeviceGetAttribute(&value, cudaDevAttrMaxSharedMemoryPerBlockOptin, 1));
  CHECK(value == 232448);
  cudaDeviceProp p{};
  ok(cudaGetDeviceProperties(&p, 0));
  CHECK(p.multiProcessorCount == 4);
  ok(cudaDeviceCanAccessPeer(&value, 0, 1));
  CHECK(value == 1);
  ok(cudaDeviceEnablePeerAccess(1, 0));
  CHECK(cudaDeviceEnablePeerAccess(1, 0) == cudaErrorPeerAccessAlreadyEnabled);
  cudaGetLastError();
}

}  // namespace on_host_test
