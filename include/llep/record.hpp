// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <llep/concepts/device.hpp>
#include <llep/device/buffer.hpp>
#include <llep/plan.hpp>
#include <llep/schedule.hpp>
#include <llep/workspace.hpp>

namespace llep {

namespace detail {

/// What a training step leaves for its backward pass. Belongs to a pool and is used again.
template <device D>
struct kept_step {
  explicit kept_step(D& device) : memory(device) {}

  void const* pool = nullptr;
  std::int64_t number = -1;  // of the call that made it
  training how{};
  std::int64_t tokens = 0;   // T
  std::int64_t choices = 0;  // K
  std::uint64_t kernel = 0;  // its digest
  std::uint64_t plan_digest = 0;
  plan made{};
  schedule steps{};
  workspace_need need{};
  device_buffer<D> memory;
};

/// The kept steps of one dispatcher. One is free when no record holds it; as many are made as
/// records were alive at once.
template <device D>
class record_pool {
 public:
  explicit record_pool(D& device) : device_(&device) {}
  record_pool(record_pool const&) = delete;
  record_pool& operator=(record_pool const&) = delete;
  ~record_pool() {  // records may live on, empty-handed and of no pool; the device may not
    for (auto const& step : steps_) {
      step->memory = device_buffer<D>(*device_);
      step->pool = nullptr;  // another pool may come to lie here
    }
  }

  /// The first free one, or a new one: in a loop of steps every layer gets the same one again.
  [[nodiscard]] std::shared_ptr<kept_step<D>> take() {
    for (auto const& step : steps_)
      if (step.use_count() == 1) return step;
    steps_.push_back(std::make_shared<kept_step<D>>(*device_));
    steps_.back()->pool = this;
    return steps_.back();
  }

 private:
  D* device_;
  std::vector<std::shared_ptr<kept_step<D>>> steps_;
};

struct record_access;  // what the dispatcher may do with a record

}  // namespace detail

/// What a training step's forward leaves on this rank for its backward pass: a lease on memory of
/// its dispatcher's pool, given back when it is used or dropped, which is a local act. Several may
/// be alive. Holds the step's gates by reference: they stay as they are until it is dropped, or the
/// queue of its backward pass has passed that call.
template <device D, class Gate>
class training_record {
 public:
  training_record() = default;
  training_record(training_record&& other) noexcept
      : step_(std::move(other.step_)), gates_(std::exchange(other.gates_, {})) {}
  training_record& operator=(training_record&& other) noexcept {
    step_ = std::move(other.step_);
    gates_ = std::exchange(other.gates_, {});
    return *this;
  }

  /// Nothing is held: made by default, moved from, or used.
  [[nodiscard]] bool empty() const { return step_ == nullptr; }
  /// What it keeps on this rank, by purpose; of an empty one: nothing.
  [[nodiscard]] workspace_need need() const { return empty() ? workspace_need{} : step_->need; }

 private:
  friend struct detail::record_access;

  training_record(std::shared_ptr<detail::kept_step<D>> step, matrix_ref<Gate const> gates)
      : step_(std::move(step)), gates_(gates) {}

  std::shared_ptr<detail::kept_step<D>> step_;
  matrix_ref<Gate const> gates_{};
};

struct detail::record_access {
  template <class D, class Gate>
  static training_record<D, Gate> make(std::shared_ptr<kept_step<D>> step,
                                       matrix_ref<Gate const> gates) {
    return {std::move(step), gates};
  }
  template <class D, class Gate>
  static kept_step<D>* step(training_record<D, Gate>& of) {
    return of.step_.get();
  }
  template <class D, class Gate>
  static matrix_ref<Gate const> gates(training_record<D, Gate> const& of) {
    return of.gates_;
  }
};

}  // namespace llep
