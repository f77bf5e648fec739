// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>

#include "block.hpp"
#include "machine.hpp"

// NOLINTBEGIN: names as in CUDA

enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeCooperative = 2,
  cudaLaunchAttributeClusterDimension = 4,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6,
  cudaLaunchAttributePriority = 8
};
union cudaLaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
  int priority;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim;
  dim3 blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned numAttrs;
};

enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9,
  cudaFuncAttributeNonPortableClusterSizeAllowed = 14
};
struct cudaFuncAttributes {
  std::size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
  int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, cacheModeCA;
  int maxDynamicSharedSizeBytes, preferredShmemCarveout;
};

namespace cuda_on_host {

inline constexpr int shared_without_asking = 49152;

/// How much dynamic shared memory a kernel may have on a device.
class shared_limits {
 public:
  static shared_limits& get() {
    static shared_limits& limits = *new shared_limits;
    return limits;
  }
  int of(void const* kernel, int device) {
    std::lock_guard const lock(guard_);
    auto const at = limits_.find({kernel, device});
    return at == limits_.end() ? shared_without_asking : at->second;
  }
  void set(void const* kernel, int device, int bytes) {
    std::lock_guard const lock(guard_);
    limits_[{kernel, device}] = bytes;
  }

 private:
  std::mutex guard_;
  std::map<std::pair<void const*, int>, int> limits_;
};

inline cudaError_t check_launch(cudaLaunchConfig_t const& c, void const* kernel) {
  auto const empty = [](dim3 d) { return d.x == 0 || d.y == 0 || d.z == 0; };
  if (kernel == nullptr) return cudaErrorInvalidDeviceFunction;
  if (empty(c.gridDim) || empty(c.blockDim) || c.gridDim.x > 2147483647U || c.gridDim.y > 65535 ||
      c.gridDim.z > 65535 || c.blockDim.x > 1024 || c.blockDim.y > 1024 || c.blockDim.z > 64 ||
      c.blockDim.x * c.blockDim.y * c.blockDim.z > 1024)
    return cudaErrorInvalidConfiguration;
  if (c.dynamicSmemBytes >
      static_cast<std::size_t>(shared_limits::get().of(kernel, detail::mine().device)))
    return cudaErrorInvalidValue;
  for (unsigned i = 0; i < c.numAttrs; ++i) {  // blocks run one after the other
    auto const& a = c.attrs[i];
    bool const cluster = a.id == cudaLaunchAttributeClusterDimension &&
                         a.val.clusterDim.x * a.val.clusterDim.y * a.val.clusterDim.z > 1;
    if (cluster || (a.id == cudaLaunchAttributeCooperative && a.val.cooperative != 0))
      return cudaErrorNotSupported;
  }
  return cudaSuccess;
}

/// A kernel and its arguments, as its parameters are.
template <class... Params>
struct bound_kernel {
  void (*kernel)(Params...);
  std::tuple<std::decay_t<Params>...> args;

  static void call(void* self) {
    auto& k = *static_cast<bound_kernel*>(self);
    std::apply(k.kernel, k.args);
  }
};

template <class... Params>
cudaError_t launch(cudaLaunchConfig_t const& c, std::shared_ptr<bound_kernel<Params...>> k) {
  count(&call_counts::launches);
  void const* const address = reinterpret_cast<void const*>(k->kernel);
  if (auto const error = check_launch(c, address); error != cudaSuccess) return error;
  return with_stream(c.stream, [&](cudaStream_t s) {
    if (s->device() != detail::mine().device) return cudaErrorInvalidResourceHandle;
    grid g{c.gridDim, c.blockDim, c.dynamicSmemBytes, &bound_kernel<Params...>::call, nullptr};
    put_locked(s, [g, k = std::move(k), device = s->device()]() mutable {
      auto& failed = detail::failed_devices()[static_cast<std::size_t>(device)];
      if (failed.load() != cudaSuccess) return;
      g.args = k.get();
      if (!stream::runner()->run(g)) failed = cudaErrorLaunchFailure;
    });
    return cudaSuccess;
  });
}

}  // namespace cuda_on_host

template <class... Params, class... Args>
cudaError_t cudaLaunchKernelEx(cudaLaunchConfig_t const* config, void (*kernel)(Params...),
                               Args&&... args) {
  using namespace cuda_on_host;
  return call("cudaLaunchKernelEx", [&] {
    if (config == nullptr) return cudaErrorInvalidValue;
    return launch(*config, std::make_shared<bound_kernel<Params...>>(bound_kernel<Params...>{
                               kernel, std::tuple<std::decay_t<Params>...>(
                                           static_cast<Params>(std::forward<Args>(args))...)}));
  });
}

/// args has the address of each argument.
template <class... Params>
cudaError_t cudaLaunchKernel(void (*kernel)(Params...), dim3 blocks, dim3 threads, void** args,
                             std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  using namespace cuda_on_host;
  return call("cudaLaunchKernel", [&] {
    auto const bind = [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::make_shared<bound_kernel<Params...>>(bound_kernel<Params...>{
          kernel, std::tuple<std::decay_t<Params>...>(
                      *static_cast<std::remove_reference_t<Params>*>(args[I])...)});
    };
    return launch({blocks, threads, shared_bytes, stream, nullptr, 0},
                  bind(std::index_sequence_for<Params...>{}));
  });
}

template <class T>
cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute which, int value) {
  using namespace cuda_on_host;
  return call("cudaFuncSetAttribute", [&] {
    if (which != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
    if (value < 0 || value > 232448) return cudaErrorInvalidValue;
    shared_limits::get().set(reinterpret_cast<void const*>(kernel), detail::mine().device, value);
    return cudaSuccess;
  });
}
template <class T>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, T* kernel) {
  using namespace cuda_on_host;
  return call("cudaFuncGetAttributes", [&] {
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->ptxVersion = attributes->binaryVersion = 90;
    attributes->maxDynamicSharedSizeBytes =
        shared_limits::get().of(reinterpret_cast<void const*>(kernel), detail::mine().device);
    return cudaSuccess;
  });
}
template <class T>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, T*, int threads,
                                                          std::size_t shared_bytes) {
  using namespace cuda_on_host;
  return call("cudaOccupancyMaxActiveBlocksPerMultiprocessor", [&] {
    if (blocks == nullptr || threads <= 0) return cudaErrorInvalidValue;
    auto const by_shared = static_cast<int>(233472 / (shared_bytes + 1024));
    *blocks = (std::min)({2048 / threads, by_shared, 32});
    return cudaSuccess;
  });
}
// NOLINTEND
