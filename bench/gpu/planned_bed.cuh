// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <llep/backends/cuda/lla_kernel.cuh>
#include <llep/backends/cuda/plan_settings.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/plan.hpp>

#include "device_memory.cuh"

namespace llep::bench {

/// A problem in device memory, and a block that the planning kernel fills.
class planned_problem {
 public:
  explicit planned_problem(problem const& in)
      : ranks_(in.ranks),
        experts_(in.experts()),
        owner_(std::vector<rank_id>(in.owner.begin(), in.owner.end())),
        counts_(std::vector<std::int64_t>(in.counts.begin(), in.counts.end())),
        bad_(std::vector<std::int64_t>(static_cast<std::size_t>(in.ranks * in.experts()), -1)),
        memory_(std::vector<std::uint64_t>(words(), ~std::uint64_t{0})) {}

  template <class Policy>
  void plan(cuda::queue& q, Policy const& policy) const {
    cuda::plan_input const from{owner_.data(),
                                counts_.data(),
                                bad_.data(),
                                experts_,
                                std::numeric_limits<row_count>::max(),
                                std::numeric_limits<std::int32_t>::max()};
    cuda::plan_on_device(q, cuda::settings_of(policy), from, {memory_.data(), ranks_, experts_});
  }

  /// The block as the host sees it, when the queue is done; it lies in `words`.
  [[nodiscard]] cuda::planned_block read(std::vector<std::uint64_t>& at) const {
    at.resize(words());
    cuda::check(cudaMemcpy(at.data(), memory_.data(), memory_.bytes(), cudaMemcpyDeviceToHost),
                "cudaMemcpy");
    return {at.data(), ranks_, experts_};
  }

 private:
  [[nodiscard]] std::size_t words() const {
    return static_cast<std::size_t>(cuda::planned_block::bytes(ranks_, experts_)) /
           sizeof(std::uint64_t);
  }

  std::int32_t ranks_, experts_;
  device_array<rank_id> owner_;
  device_array<std::int64_t> counts_, bad_;  // [P][E]; bad positions: none
  device_array<std::uint64_t> memory_;
};

}  // namespace llep::bench
