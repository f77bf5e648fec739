// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <mutex>
#include <set>
#include <utility>

#include "calls.hpp"
#include "knobs.hpp"
#include "memory.hpp"

// NOLINTBEGIN: names as in CUDA

enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxBlockDimX = 2,
  cudaDevAttrMaxGridDimX = 5,
  cudaDevAttrMaxGridDimY = 6,
  cudaDevAttrMaxGridDimZ = 7,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrTotalConstantMemory = 9,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMaxRegistersPerBlock = 12,
  cudaDevAttrClockRate = 13,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrIntegrated = 18,
  cudaDevAttrCanMapHostMemory = 19,
  cudaDevAttrConcurrentKernels = 31,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrAsyncEngineCount = 40,
  cudaDevAttrUnifiedAddressing = 41,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxRegistersPerMultiprocessor = 82,
  cudaDevAttrManagedMemory = 83,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrMaxBlocksPerMultiprocessor = 106,
  cudaDevAttrReservedSharedMemoryPerBlock = 111,
  cudaDevAttrMemoryPoolsSupported = 115
};

struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
  std::size_t sharedMemPerMultiprocessor;
  int regsPerBlock, warpSize, maxThreadsPerBlock, maxThreadsPerMultiProcessor;
  int multiProcessorCount, major, minor, l2CacheSize, pciBusID, pciDeviceID, pciDomainID;
};

namespace cuda_on_host {

inline bool is_device(int device) { return device >= 0 && device < knobs().device_count.load(); }

/// Those of an H100, but for its size and its capability. Long, as it is a table.
inline int attribute(cudaDeviceAttr which, bool& known) {
  known = true;
  switch (which) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
      return 1024;
    case cudaDevAttrMaxGridDimX:
      return 2147483647;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      return 65535;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return 49152;
    case cudaDevAttrTotalConstantMemory:
      return 65536;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return 65536;
    case cudaDevAttrClockRate:
      return 1980000;
    case cudaDevAttrMultiProcessorCount:
      return knobs().multiprocessors;
    case cudaDevAttrIntegrated:
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrComputeCapabilityMinor:
      return 0;
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrMemoryPoolsSupported:
      return 1;
    case cudaDevAttrL2CacheSize:
      return 52428800;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return 2048;
    case cudaDevAttrAsyncEngineCount:
      return 3;
    case cudaDevAttrComputeCapabilityMajor:  // whose libraries' workspaces are small
      return 8;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return 233472;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return 232448;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return 32;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return 1024;
  }
  known = false;
  return 0;
}

/// Pairs (from, to) that access was asked for.
struct peer_state {
  std::mutex guard;
  std::set<std::pair<int, int>> enabled;
};
inline peer_state& peers() {
  static peer_state& state = *new peer_state;
  return state;
}

}  // namespace cuda_on_host

inline cudaError_t cudaGetDeviceCount(int* count) {
  using namespace cuda_on_host;
  return call("cudaGetDeviceCount", [&] {
    if (count == nullptr) return cudaErrorInvalidValue;
    *count = knobs().device_count;
    return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
  });
}
inline cudaError_t cudaSetDevice(int device) {
  using namespace cuda_on_host;
  return call("cudaSetDevice", [&] {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    detail::mine().device = device;
    return cudaSuccess;
  });
}
inline cudaError_t cudaGetDevice(int* device) {
  using namespace cuda_on_host;
  return call("cudaGetDevice", [&] {
    if (device == nullptr) return cudaErrorInvalidValue;
    if (knobs().device_count <= 0) return cudaErrorNoDevice;
    *device = detail::mine().device;
    return cudaSuccess;
  });
}

inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  using namespace cuda_on_host;
  return call("cudaDeviceGetAttribute", [&] {
    if (!is_device(device)) return cudaErrorInvalidDevice;
    bool known = false;
    int const found = attribute(which, known);
    if (value == nullptr || !known) return cudaErrorInvalidValue;
    *value = found;
    return cudaSuccess;
  });
}

inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  using namespace cuda_on_host;
  return call("cudaGetDeviceProperties", [&] {
    if (p == nullptr) return cudaErrorInvalidValue;
    if (!is_device(device)) return cudaErrorInvalidDevice;
    *p = {};
    std::snprintf(p->name, sizeof p->name, "host stand-in for CUDA");
    p->totalGlobalMem = knobs().device_bytes;
    p->sharedMemPerBlock = 49152;
    p->sharedMemPerBlockOptin = 232448;
    p->sharedMemPerMultiprocessor = 233472;
    p->regsPerBlock = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = 1024;
    p->maxThreadsPerMultiProcessor = 2048;
    p->multiProcessorCount = knobs().multiprocessors;
    p->major = 8;
    p->l2CacheSize = 52428800;
    p->pciBusID = device;
    return cudaSuccess;
  });
}

inline cudaError_t cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  using namespace cuda_on_host;
  return call("cudaDeviceCanAccessPeer", [&] {
    if (!is_device(device) || !is_device(peer)) return cudaErrorInvalidDevice;
    if (can == nullptr) return cudaErrorInvalidValue;
    *can = device != peer;
    return cudaSuccess;
  });
}
inline cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  using namespace cuda_on_host;
  return call("cudaDeviceEnablePeerAccess", [&] {
    int const device = detail::mine().device;
    if (!is_device(peer) || peer == device) return cudaErrorInvalidDevice;
    if (flags != 0) return cudaErrorInvalidValue;
    std::lock_guard const lock(peers().guard);
    bool const fresh = peers().enabled.insert({device, peer}).second;
    return fresh ? cudaSuccess : cudaErrorPeerAccessAlreadyEnabled;
  });
}
inline cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }
// NOLINTEND
