// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/expert_kernel.hpp>

#include "step_model.hpp"
#include "timing.hpp"

namespace llep::bench {

/// Which part of a step it is that a queue has passed.
class phase_clock {
 public:
  using phase = double rank_phases::*;

  explicit phase_clock(cuda::queue& q) : q_(&q) {}

  void start() {
    used_ = 0;
    records_.clear();
    record(nullptr);
  }
  /// What was put on the queue since the last mark is of that phase.
  void mark(phase of) { record(of); }
  /// All marks have been reached.
  void add_to(rank_phases& sums) const {
    for (std::size_t i = 1; i < records_.size(); ++i)
      sums.*records_[i] += marks_[i].us_since(marks_[i - 1]);
  }

 private:
  void record(phase of) {
    if (used_ == marks_.size()) marks_.emplace_back();
    marks_[used_++].record(*q_);
    records_.push_back(of);
  }

  cuda::queue* q_;
  std::size_t used_ = 0;
  std::vector<time_mark> marks_;
  std::vector<phase> records_;  // by mark
};

/// A rank among P whose messages go nowhere: it has the syntax of a communicator, none of its
/// promises, and tells a clock when `llep::execution` calls it, which is where parts of a step
/// begin and end. One message a peer is packed and regrouped, as for a network.
class silent_group {
 public:
  using communicator_concept = communicator_tag;
  using device_type = cuda::device<>;
  static constexpr bool places_segments = false;
  static constexpr bool needs_progress = false;
  struct ticket {
    lane on = lane::rows;
  };

  silent_group(device_type& device, phase_clock& clock, rank_id rank, std::int32_t ranks)
      : device_(&device), clock_(&clock), rank_(rank), ranks_(ranks) {}

  [[nodiscard]] rank_id rank() const noexcept { return rank_; }
  [[nodiscard]] std::int32_t size() const noexcept { return ranks_; }
  [[nodiscard]] device_type& device() noexcept { return *device_; }

  void all_gather(cuda::queue& /*q*/, std::int64_t const* /*in*/, std::int64_t* /*out*/,
                  std::int64_t /*n*/) {}
  [[nodiscard]] ticket post(cuda::queue& /*q*/, lane on, std::span<outgoing const> /*sends*/,
                            std::span<incoming const> /*receives*/, std::int64_t /*bytes*/) {
    if (on == lane::rows) clock_->mark(going_back_ ? &rank_phases::gather : &rank_phases::prepare);
    return {on};
  }
  void wait(cuda::queue& /*q*/, ticket posted) {
    if (posted.on == lane::weights) {
      clock_->mark(computed_ ? &rank_phases::native : &rank_phases::regroup);
      lent_ = true;
    } else {
      clock_->mark(going_back_ ? &rank_phases::own_back : &rank_phases::own);
      going_back_ = true;
    }
  }
  void progress() {}
  [[nodiscard]] error abort(error const& why) noexcept { return why; }

  /// Around the kernel's call.
  void computes() {
    if (!lent_) clock_->mark(&rank_phases::regroup);
  }
  void has_computed() {
    computed_ = true;
    clock_->mark(lent_ ? &rank_phases::lent : &rank_phases::native);
  }

 private:
  device_type* device_;
  phase_clock* clock_;
  rank_id rank_;
  std::int32_t ranks_;
  bool going_back_ = false;
  bool computed_ = false;
  bool lent_ = false;
};
static_assert(communicator<silent_group>);

/// A kernel that tells when it has been called.
template <expert_kernel K>
class told_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = typename K::device_type;
  using row_type = typename K::row_type;
  static constexpr std::size_t blocks = K::blocks;

  told_kernel(K& kernel, silent_group& group) : kernel_(&kernel), group_(&group) {}

  [[nodiscard]] std::int64_t hidden() const noexcept { return kernel_->hidden(); }
  [[nodiscard]] std::uint64_t digest() const { return kernel_->digest(); }
  [[nodiscard]] byte_count block_bytes(std::size_t b) const { return kernel_->block_bytes(b); }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return kernel_->native(e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    return kernel_->work_bytes(rows_by_group);
  }
  void forward(cuda::queue& q, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* work) {
    group_->computes();
    kernel_->forward(q, groups, x, y, work);
    group_->has_computed();
  }

 private:
  K* kernel_;
  silent_group* group_;
};

}  // namespace llep::bench
