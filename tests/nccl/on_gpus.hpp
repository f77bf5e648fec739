// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <llep/backends/cuda/device.cuh>
#include <llep/backends/nccl/local.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/error.hpp>

namespace llep::testing {

using gpu = cuda::device<>;
using gpu_group = nccl::communicator<gpu>;
static_assert(nccl::gpu_device<gpu>);
static_assert(communicator<gpu_group>);

/// The first `count` of the stand-in's GPUs, of which it has as many then.
inline std::vector<int> gpus(std::int32_t count) {
  cuda_on_host::knobs().device_count = count;
  return nccl::all_gpus();
}

/// A communicator whose wait and all_gather keep the host until the GPU has got there: what the
/// others' calls tell at once, this one's may tell only then.
class host_waits {
 public:
  using communicator_concept = communicator_tag;
  using device_type = gpu;
  using queue = gpu::queue;
  using ticket = gpu_group::ticket;
  static constexpr bool places_segments = gpu_group::places_segments;
  static constexpr bool needs_progress = gpu_group::needs_progress;

  explicit host_waits(gpu_group& group) : group_(&group), reached_(group.device().make_event()) {}

  [[nodiscard]] rank_id rank() const noexcept { return group_->rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return group_->size(); }
  [[nodiscard]] gpu& device() noexcept { return group_->device(); }
  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    group_->all_gather(q, in, out, n);
    wait_for(q);
  }
  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    return group_->post(q, on, sends, receives, element_bytes);
  }
  void wait(queue& q, ticket posted) {
    group_->wait(q, std::move(posted));
    wait_for(q);
  }
  void progress() { group_->progress(); }
  [[nodiscard]] error abort(error const& why) noexcept { return group_->abort(why); }

 private:
  void wait_for(queue& q) {
    device().record(reached_, q);
    device().sync(reached_);
  }

  gpu_group* group_;
  gpu::event reached_;
};
static_assert(communicator<host_waits>);

/// Around a test: knobs are as they were, and what was made of NCCL's is gone again. The last end
/// of it may take a thread a moment.
class nothing_left {
 public:
  nothing_left() = default;
  nothing_left(nothing_left const&) = delete;
  nothing_left& operator=(nothing_left const&) = delete;
  ~nothing_left() {
    nccl_on_host::knobs().failing_rank = -1;
    nccl_on_host::knobs().aborts_wait_for_peers = false;
    auto& now = nccl_on_host::counts();
    auto const deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (now.communicators != 0 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    CHECK(now.communicators == 0);
    CHECK(now.dead_handles == 0);
    CHECK(now.outside_group == 0);
    CHECK(nccl_on_host::open_groups() == 0);
  }
};

/// For ranks' threads, where CHECK may not be used.
inline void must(bool holds, std::string const& what) {
  if (!holds) throw std::runtime_error(what);
}

/// What was thrown, in words; "" if nothing was.
inline std::string words_of(std::exception_ptr const& thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (std::exception const& e) {
    return e.what();
  }
  return "";
}

/// What f throws, which is an llep::error of this code, or "".
template <class F>
std::string refusal(F f, errc expected) {
  try {
    f();
  } catch (error const& e) {
    return e.code() == expected ? e.what() : "another code: " + std::string(e.what());
  }
  return "";
}

/// Runs body(rank, lanes) in a thread a rank, as in processes of their own: nothing is shared but
/// NCCL. Returns what each threw.
template <class Body>
std::vector<std::exception_ptr> run_apart(std::int32_t ranks, Body body,
                                          nccl::options const& how = {}) {
  auto const all = gpus(ranks);
  auto const ids = nccl::make_ids();
  std::vector<std::exception_ptr> thrown(all.size());
  std::vector<std::thread> threads;
  for (int const rank : all)
    threads.emplace_back([&, rank] {
      try {
        cuda::check(cudaSetDevice(rank), "cudaSetDevice");
        body(rank, nccl::make_lanes(ids, ranks, rank, how));
      } catch (...) {
        thrown[static_cast<std::size_t>(rank)] = std::current_exception();
      }
    });
  for (std::thread& t : threads) t.join();
  return thrown;
}

}  // namespace llep::testing
