// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>

namespace llep::bench {

/// What a queue was given, to be run again.
class captured_graph {
 public:
  template <class F>
  captured_graph(cuda::queue& q, F put) {
    cuda::check(cudaStreamBeginCapture(q.stream(), cudaStreamCaptureModeThreadLocal), "capture");
    put();
    cuda::check(cudaStreamEndCapture(q.stream(), &captured_), "end of capture");
    cuda::check(cudaGraphInstantiate(&made_, captured_, 0), "cudaGraphInstantiate");
  }
  captured_graph(captured_graph const&) = delete;
  captured_graph& operator=(captured_graph const&) = delete;
  ~captured_graph() {
    static_cast<void>(cudaGraphExecDestroy(made_));
    static_cast<void>(cudaGraphDestroy(captured_));
  }

  void launch(cuda::queue& q) const {
    cuda::check(cudaGraphLaunch(made_, q.stream()), "cudaGraphLaunch");
  }

 private:
  cudaGraph_t captured_ = nullptr;
  cudaGraphExec_t made_ = nullptr;
};

}  // namespace llep::bench
