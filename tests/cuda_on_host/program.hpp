// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <cuda_runtime.h>

// What the tests of the stand-in share.

namespace on_host_test {

inline void ok(cudaError_t error) {
  INFO(cudaGetErrorName(error));
  REQUIRE(error == cudaSuccess);
}

/// A non-blocking stream of the current device.
class own_stream {
 public:
  own_stream() { ok(cudaStreamCreateWithFlags(&s_, cudaStreamNonBlocking)); }
  own_stream(own_stream const&) = delete;
  own_stream& operator=(own_stream const&) = delete;
  ~own_stream() { cudaStreamDestroy(s_); }
  operator cudaStream_t() const { return s_; }
  void wait() const { ok(cudaStreamSynchronize(s_)); }

 private:
  cudaStream_t s_ = nullptr;
};

class own_event {
 public:
  own_event() { ok(cudaEventCreateWithFlags(&e_, cudaEventDisableTiming)); }
  own_event(own_event const&) = delete;
  own_event& operator=(own_event const&) = delete;
  ~own_event() { cudaEventDestroy(e_); }
  operator cudaEvent_t() const { return e_; }

 private:
  cudaEvent_t e_ = nullptr;
};

template <class T>
class device_array {
 public:
  explicit device_array(std::size_t n) : n_(n) { ok(cudaMalloc(&p_, n * sizeof(T))); }
  explicit device_array(std::vector<T> const& from) : device_array(from.size()) {
    ok(cudaMemcpy(p_, from.data(), n_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  device_array(device_array const&) = delete;
  device_array& operator=(device_array const&) = delete;
  ~device_array() { cudaFree(p_); }
  T* data() const { return p_; }
  std::vector<T> values() const {
    std::vector<T> to(n_);
    ok(cudaMemcpy(to.data(), p_, n_ * sizeof(T), cudaMemcpyDeviceToHost));
    return to;
  }

 private:
  std::size_t n_;
  T* p_ = nullptr;
};

/// Puts the knobs back, and has what kernels do wrong written down in place of an abort.
class quiet_machine {
 public:
  quiet_machine()
      : before_(cuda_on_host::on_misuse([this](std::string const& m) { message = m; })) {}
  quiet_machine(quiet_machine const&) = delete;
  quiet_machine& operator=(quiet_machine const&) = delete;
  ~quiet_machine() {
    cudaDeviceSynchronize();
    cuda_on_host::on_misuse(std::move(before_));
    cuda_on_host::forget_failures();
    cuda_on_host::stop_failing();
    cuda_on_host::knobs().seed = 0;
    cuda_on_host::knobs().max_delay_us = 0;
    cuda_on_host::knobs().device_bytes = std::size_t{16} << 30U;
  }
  std::string message;

 private:
  cuda_on_host::misuse_handler before_;
};

inline cudaLaunchConfig_t shape(unsigned blocks, unsigned threads, cudaStream_t s,
                                std::size_t shared_bytes = 0) {
  cudaLaunchConfig_t c{};
  c.gridDim = blocks;
  c.blockDim = threads;
  c.stream = s;
  c.dynamicSmemBytes = shared_bytes;
  return c;
}

}  // namespace on_host_test
