// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "knobs.hpp"
#include "stream.hpp"

// What streams record instead of doing it. A point in it says how many ops of each stream come
// before: a vector clock.

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2
};
enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2
};

namespace cuda_on_host {

using point = std::map<stream const*, std::size_t>;

inline void join(point& to, point const& from) {
  for (auto const& [s, n] : from) to[s] = (std::max)(to[s], n);
}

struct graph_node {
  std::function<void()> op;
  stream const* on;
  point after;  // own stream included
};

class capture {
 public:
  capture(stream* on, cudaStreamCaptureMode m) : origin(on), mode(m) { reached_[on]; }

  void add(stream const* s, std::function<void()> op) {
    point& here = reached_[s];
    nodes.push_back({std::move(op), s, here});
    here[s] = ++issued_[s];
  }
  point const& reached(stream const* s) { return reached_[s]; }
  void wait(stream const* s, point const& before) { join(reached_[s], before); }
  bool has(stream const* s) const { return reached_.contains(s); }

  /// Whether the stream where it began waits for all the others.
  bool all_joined() {
    for (auto const& [s, n] : issued_)
      if (reached_[origin][s] < n) return false;
    return true;
  }

  stream* origin;
  cudaStreamCaptureMode mode;
  std::thread::id thread = std::this_thread::get_id();
  bool invalid = false;
  std::vector<graph_node> nodes;

 private:
  std::map<stream const*, point> reached_;
  std::map<stream const*, std::size_t> issued_;
};

/// Runs them in an order that their dependencies allow: as recorded, or, with a seed, another.
inline void replay(std::vector<graph_node> const& nodes, std::uint64_t seed) {
  if (seed == 0) {
    for (auto const& node : nodes) node.op();
    return;
  }
  std::vector<graph_node const*> left;
  for (auto const& node : nodes) left.push_back(&node);
  point reached;
  auto const may_run = [&](graph_node const* node) {
    return std::all_of(node->after.begin(), node->after.end(),
                       [&](auto const& d) { return reached[d.first] >= d.second; });
  };
  while (!left.empty()) {
    std::vector<std::size_t> able;
    for (std::size_t i = 0; i < left.size(); ++i) {
      bool const first =
          reached[left[i]->on] ==
          (left[i]->after.contains(left[i]->on) ? left[i]->after.at(left[i]->on) : 0);
      if (first && may_run(left[i])) able.push_back(i);
    }
    std::size_t const pick = seed == 1 ? able.back() : able[draw(seed) % able.size()];
    left[pick]->op();
    ++reached[left[pick]->on];
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(pick));
  }
}

}  // namespace cuda_on_host
