// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <llep/backends/cuda/status.hpp>
#include <llep/backends/nccl/bootstrap.hpp>
#include <llep/backends/nccl/communicator.hpp>
#include <llep/backends/nccl/failure_board.hpp>
#include <llep/backends/nccl/options.hpp>
#include <llep/error.hpp>

namespace llep::nccl {

/// All GPUs of this process, by CUDA's numbers.
[[nodiscard]] inline std::vector<int> all_gpus() {
  int count = 0;
  cuda::check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  std::vector<int> gpus(static_cast<std::size_t>(count));
  std::iota(gpus.begin(), gpus.end(), 0);
  return gpus;
}

/// How the ranks' bodies ended.
struct outcome {
  std::vector<std::exception_ptr> by_rank;  ///< what each threw, or null
  std::exception_ptr first;                 ///< what was thrown first, or null
};

namespace detail {

// What the threads of `try_run` share.
class endings {
 public:
  explicit endings(std::size_t ranks) : ends_{std::vector<std::exception_ptr>(ranks), nullptr} {}

  // The exception being handled, which rank `rank` ends with.
  error note(rank_id rank) {
    std::lock_guard const held(mutex_);
    ends_.by_rank[static_cast<std::size_t>(rank)] = std::current_exception();
    if (!ends_.first) ends_.first = std::current_exception();
    return current_error(rank);
  }
  [[nodiscard]] outcome take() { return std::move(ends_); }

 private:
  std::mutex mutex_;
  outcome ends_;
};

// A rank's life, in its thread.
template <class D, class Body>
void live(int gpu, std::int32_t ranks, rank_id rank, lane_ids const& ids, options const& how,
          endings& ends, Body& body) {
  try {
    cuda::check(cudaSetDevice(gpu), "cudaSetDevice");
    D device(gpu);
    communicator<D> mine(make_lanes(ids, ranks, rank, how), std::move(device), how);
    try {
      body(mine);
    } catch (...) {
      static_cast<void>(mine.abort(ends.note(rank)));
    }
  } catch (...) {  // no device, no communicator
    how.board->raise(ends.note(rank));
  }
}

}  // namespace detail

/// Runs `body(communicator<D>&)` on each of the GPUs, in a thread of its own whose current device
/// it is, as ranks of one group, and returns when all have ended.
///
/// A body that throws takes the group down: the others' calls throw its error, and so does a
/// device's sync that waits.
///
/// @tparam D llep::cuda::device<>, say; made of the GPU's number
/// @param gpus a rank each, all different; `all_gpus()`
/// @throws llep::error if there are none, if NCCL can't begin, or if a thread can't be started
///         (those that were are ended)
template <gpu_device D, class Body>
[[nodiscard]] outcome try_run(std::vector<int> const& gpus, Body body, options how = {}) {
  expects(!gpus.empty(), "nccl: needs a GPU");
  auto const ranks = static_cast<std::int32_t>(gpus.size());
  if (how.board == nullptr) how.board = std::make_shared<failure_board>();
  lane_ids const ids = make_ids();
  detail::endings ends(gpus.size());
  std::vector<std::thread> threads;
  threads.reserve(gpus.size());
  auto const join = [&] {
    for (std::thread& t : threads) t.join();
  };
  try {
    for (rank_id rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        detail::live<D>(gpus[static_cast<std::size_t>(rank)], ranks, rank, ids, how, ends, body);
      });
  } catch (...) {  // no more threads, or no memory for them
    error const why(errc::failed, "nccl: only " + std::to_string(threads.size()) + " threads for " +
                                      std::to_string(ranks) + " ranks");
    how.board->raise(why);
    join();
    throw error(why);
  }
  join();
  return ends.take();
}

/// As try_run, and throws what was thrown first, if anything was.
template <gpu_device D, class Body>
void run(std::vector<int> const& gpus, Body body, options how = {}) {
  auto const ends = try_run<D>(gpus, std::move(body), std::move(how));
  if (ends.first) std::rethrow_exception(ends.first);
}

}  // namespace llep::nccl
