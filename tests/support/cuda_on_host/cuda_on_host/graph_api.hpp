// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "machine.hpp"

// Streams that record, and graphs that repeat it, on the stream they are launched on.

struct CUgraph_st {
  std::shared_ptr<std::vector<cuda_on_host::graph_node> const> nodes;
};
struct CUgraphExec_st : CUgraph_st {};
struct CUgraphNode_st {};

// NOLINTBEGIN: names as in CUDA
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;
using cudaGraphNode_t = CUgraphNode_st*;

inline cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  using namespace cuda_on_host;
  return call("cudaStreamBeginCapture", [&] {
    if (handle == nullptr || handle == cudaStreamLegacy) return cudaErrorStreamCaptureUnsupported;
    return with_stream(handle, [&](cudaStream_t s) {
      if (s->capturing) return cudaErrorInvalidValue;
      s->capturing = std::make_shared<capture>(s, mode);
      machine::get().captures.push_back(s->capturing);
      return cudaSuccess;
    });
  });
}

inline cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  using namespace cuda_on_host;
  return call("cudaStreamEndCapture", [&] {
    auto& m = machine::get();
    std::lock_guard const lock(m.guard);
    if (graph == nullptr || !m.streams.contains(s)) return cudaErrorInvalidValue;
    *graph = nullptr;
    auto const c = s->capturing;
    if (!c) return cudaErrorInvalidValue;
    if (c->mode != cudaStreamCaptureModeRelaxed && c->thread != std::this_thread::get_id())
      return cudaErrorStreamCaptureWrongThread;
    if (c->origin != s) {
      c->invalid = true;
      return cudaErrorStreamCaptureUnmatched;
    }
    m.end(c);
    if (c->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!c->all_joined()) return cudaErrorStreamCaptureUnjoined;
    *graph = new CUgraph_st{std::make_shared<std::vector<graph_node> const>(std::move(c->nodes))};
    return cudaSuccess;
  });
}

/// Unlike other calls it may be asked of a stream whose capture is invalid.
inline cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  using namespace cuda_on_host;
  return call("cudaStreamIsCapturing", [&] {
    auto& m = machine::get();
    std::lock_guard const lock(m.guard);
    cudaStream_t const s = m.find(handle);
    if (s == nullptr) return cudaErrorInvalidResourceHandle;
    if (status == nullptr) return cudaErrorInvalidValue;
    *status = !s->capturing           ? cudaStreamCaptureStatusNone
              : s->capturing->invalid ? cudaStreamCaptureStatusInvalidated
                                      : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                        unsigned long long /*flags*/ = 0) {
  using namespace cuda_on_host;
  return call("cudaGraphInstantiate", [&] {
    if (exec == nullptr || graph == nullptr) return cudaErrorInvalidValue;
    *exec = new CUgraphExec_st{*graph};
    return cudaSuccess;
  });
}

inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s) {
  using namespace cuda_on_host;
  return call("cudaGraphLaunch", [&] {
    count(&call_counts::graph_launches);
    if (exec == nullptr) return cudaErrorInvalidValue;
    return put(s, [nodes = exec->nodes] { replay(*nodes, knobs().seed.load()); });
  });
}

/// How many ops it has; which they are isn't told.
inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes,
                                     std::size_t* count) {
  using namespace cuda_on_host;
  return call("cudaGraphGetNodes", [&] {
    if (graph == nullptr || count == nullptr) return cudaErrorInvalidValue;
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = graph->nodes->size();
    return cudaSuccess;
  });
}

/// Launches that are under way keep what they need.
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  using namespace cuda_on_host;
  return call("cudaGraphExecDestroy", [&] {
    delete exec;
    return exec != nullptr ? cudaSuccess : cudaErrorInvalidValue;
  });
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  using namespace cuda_on_host;
  return call("cudaGraphDestroy", [&] {
    delete graph;
    return graph != nullptr ? cudaSuccess : cudaErrorInvalidValue;
  });
}
// NOLINTEND
