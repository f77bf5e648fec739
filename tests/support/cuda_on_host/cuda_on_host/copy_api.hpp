// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "machine.hpp"
#include "memory.hpp"

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};

namespace cuda_on_host {

/// Whether p is device memory or isn't, as asked, and its block has that many bytes from there.
inline bool fits(memory_block const& block, void const* p, std::size_t bytes) {
  if (block.type == cudaMemoryTypeUnregistered) return p != nullptr;
  auto const offset = static_cast<std::size_t>(static_cast<unsigned char const*>(p) -
                                               static_cast<unsigned char const*>(block.begin));
  return bytes <= block.bytes - offset;
}

inline cudaError_t check_copy(void const* to, void const* from, std::size_t bytes,
                              cudaMemcpyKind kind, bool& pageable) {
  auto const target = memory::get().find(to), source = memory::get().find(from);
  auto const on_device = [](memory_block const& b) { return b.type == cudaMemoryTypeDevice; };
  pageable = target.type == cudaMemoryTypeUnregistered || source.type == cudaMemoryTypeUnregistered;
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
    return cudaErrorInvalidMemcpyDirection;
  if (!fits(target, to, bytes) || !fits(source, from, bytes)) return cudaErrorInvalidValue;
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  bool const to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  bool const from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  return to_device == on_device(target) && from_device == on_device(source) ? cudaSuccess
                                                                            : cudaErrorInvalidValue;
}

inline cudaError_t put_copy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t handle) {
  bool pageable = false;
  if (bytes == 0) return cudaSuccess;
  if (auto const error = check_copy(to, from, bytes, kind, pageable); error != cudaSuccess)
    return error;
  bool wait = false;
  cudaStream_t on = nullptr;
  auto const error = with_stream(handle, [&](cudaStream_t s) {
    on = s;
    wait = pageable && !s->capturing;
    put_locked(s, [=] { std::memmove(to, from, bytes); });
    return cudaSuccess;
  });
  if (error != cudaSuccess || !wait) return error;
  count(&call_counts::pageable_copies);
  if (knobs().pageable_copies_wait.load()) on->wait();
  return cudaSuccess;
}

inline cudaError_t put_set(void* to, int value, std::size_t bytes, cudaStream_t s) {
  if (bytes == 0) return cudaSuccess;
  auto const target = memory::get().find(to);
  if (target.type == cudaMemoryTypeUnregistered || !fits(target, to, bytes))
    return cudaErrorInvalidValue;
  return put(s, [=] { std::memset(to, value, bytes); });
}

/// The rest of a call that blocks, on the null stream.
template <class Put>
cudaError_t put_and_wait(Put const& put_it) {
  count(&call_counts::blocking_copies);
  if (auto const error = machine::get().forbid_captures(); error != cudaSuccess) return error;
  if (auto const error = put_it(); error != cudaSuccess) return error;
  cudaStream_t s = nullptr;
  if (auto const error = find_to_wait(nullptr, s); error != cudaSuccess) return error;
  s->wait();
  return cudaSuccess;
}

}  // namespace cuda_on_host

// NOLINTBEGIN: names as in CUDA
inline cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes,
                                   cudaMemcpyKind kind, cudaStream_t s = nullptr) {
  using namespace cuda_on_host;
  return call("cudaMemcpyAsync", [&] { return put_copy(to, from, bytes, kind, s); });
}
inline cudaError_t cudaMemcpyPeerAsync(void* to, int to_device, void const* from, int from_device,
                                       std::size_t bytes, cudaStream_t s = nullptr) {
  using namespace cuda_on_host;
  return call("cudaMemcpyPeerAsync", [&] {
    auto const target = memory::get().find(to), source = memory::get().find(from);
    if (bytes != 0 && (target.device != to_device || source.device != from_device))
      return cudaErrorInvalidValue;
    return put_copy(to, from, bytes, cudaMemcpyDeviceToDevice, s);
  });
}
inline cudaError_t cudaMemcpy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind) {
  using namespace cuda_on_host;
  return call("cudaMemcpy", [&] {
    return put_and_wait([&] { return put_copy(to, from, bytes, kind, nullptr); });
  });
}

inline cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, void const* from,
                                     std::size_t from_pitch, std::size_t width, std::size_t height,
                                     cudaMemcpyKind kind, cudaStream_t s = nullptr) {
  using namespace cuda_on_host;
  return call("cudaMemcpy2DAsync", [&] {
    if (width > to_pitch || width > from_pitch) return cudaErrorInvalidValue;
    for (std::size_t row = 0; row < height; ++row)
      if (auto const error =
              put_copy(static_cast<char*>(to) + row * to_pitch,
                       static_cast<char const*>(from) + row * from_pitch, width, kind, s);
          error != cudaSuccess)
        return error;
    return cudaSuccess;
  });
}

inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes,
                                   cudaStream_t s = nullptr) {
  using namespace cuda_on_host;
  return call("cudaMemsetAsync", [&] { return put_set(to, value, bytes, s); });
}
inline cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  using namespace cuda_on_host;
  return call("cudaMemset",
              [&] { return put_and_wait([&] { return put_set(to, value, bytes, nullptr); }); });
}
// NOLINTEND
