// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>
#include <nccl.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/backends/nccl/local.hpp>
#include <llep/concepts/communicator.hpp>

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

}  // namespace llep::testing
