// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/layout.hpp>
#include <llep/backends/cuda/lla_kernel.cuh>
#include <llep/backends/cuda/owned_memory.hpp>
#include <llep/backends/cuda/plan_lists.cuh>
#include <llep/backends/cuda/plan_settings.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/backends/cuda/planned_limits.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/status.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// What all ranks share of a step: reports, from which the plan is made on rank 0's GPU, and the
/// plan, of which each other GPU has a copy.
class step_plan {
 public:
  static constexpr std::int64_t header = 2;  // words of a report before its counts

  /// @param devices [P] where ranks are
  step_plan(plan_settings const& settings, std::span<rank_id const> owner,
            std::span<int const> devices, planned_limits const& most)
      : settings_(settings),
        experts_(static_cast<std::int32_t>(owner.size())),
        input_memory_(devices.front(), place_input(nullptr, std::ssize(devices))) {
    place_input(input_memory_.data(), std::ssize(devices));
    upload<rank_id>(devices.front(), owner_, owner);
    input_ = {owner_, reports_ + header, reports_, report_words(), most.rows, most.lent_experts};
    auto const ranks = static_cast<std::int32_t>(devices.size());
    for (std::size_t r = 0; r < devices.size(); ++r) {
      auto const same = std::find(devices.begin(), devices.end(), devices[r]);
      first_.push_back(static_cast<std::size_t>(same - devices.begin()));
      if (first_[r] == r) {
        copy_.push_back(memory_.size());
        memory_.emplace_back(devices[r], planned_block::bytes(ranks, experts_));
      } else {
        copy_.push_back(copy_[first_[r]]);
      }
      plan_.emplace_back(memory_[copy_[r]].data(), ranks, experts_);
      if (first_[r] == r)  // there was no step that could have failed
        upload<plan_status>(devices[r], plan_[r].status, std::array{plan_status()});
    }
  }

  /// Where rank r's report goes: first bad position and its id, then counts.
  [[nodiscard]] std::int64_t* report(std::size_t r) const {
    return reports_ + static_cast<std::int64_t>(r) * report_words();
  }
  /// The plan as kernels of rank r read it.
  [[nodiscard]] planned_block const& of(std::size_t r) const { return plan_[r]; }
  /// The first rank on the GPU of rank r: it gets the plan there.
  [[nodiscard]] std::size_t first_beside(std::size_t r) const { return first_[r]; }

  /// On a queue of rank 0, after all reports.
  void make(queue& q) const { plan_on_device(q, settings_, input_, plan_.front()); }
  /// On a queue of rank r, which is the first one on its GPU, after `make`.
  void fetch(queue& q, std::size_t r) const {
    on_device const here(q.device());
    auto const bytes = planned_block::bytes(plan_[r].ranks, experts_);
    check(cudaMemcpyAsync(memory_[copy_[r]].data(), memory_.front().data(),
                          static_cast<std::size_t>(bytes), cudaMemcpyDefault, q.stream()),
          "cudaMemcpyAsync");
  }

 private:
  [[nodiscard]] std::int64_t report_words() const { return header + experts_; }

  // Returns the bytes.
  byte_count place_input(void* memory, std::int64_t ranks) {
    layout in(memory);
    in.take(owner_, experts_);
    in.take(reports_, ranks * report_words());
    return in.bytes();
  }

  plan_settings settings_;
  std::int32_t experts_;
  rank_id* owner_ = nullptr;
  std::int64_t* reports_ = nullptr;
  owned_memory input_memory_;
  std::vector<owned_memory> memory_;  // a GPU each
  std::vector<std::size_t> copy_;     // by rank, in memory_
  std::vector<planned_block> plan_;   // by rank
  std::vector<std::size_t> first_;    // by rank
  plan_input input_;
};

}  // namespace llep::cuda::detail
