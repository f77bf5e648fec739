// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/training.hpp>
#include <llep/device/host.hpp>
#include <llep/kernel/feed_forward.hpp>

namespace llep {

/// An expert family in plain loops on the host, a row at a time: the oracle that faster kernels are
/// held against. A row's result never depends on its neighbours, so the layer's output is
/// bit-identical for every plan.
///
/// Family: linear_expert, swiglu_expert or gptoss_expert of float or double, or one of your own.
/// One that is a trainable_family makes a trainable_kernel.
template <expert_family Family>
class loops_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = host_device;
  using row_type = typename Family::element;
  using grad_type = row_type;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;
  using gradient_blocks = std::array<row_type*, blocks>;

  /// @param family sizes and parameters
  /// @param native [E] where the blocks of expert e lie; not looked at for experts that this rank
  ///        doesn't own. Borrowed: they stay where they are while the kernel is in use.
  /// @param native_grads [E] likewise where their gradients lie, of the same sizes; only for
  ///        training
  /// @throws llep::error (invalid_argument) if a size is below 1.
  loops_kernel(Family family, std::vector<weight_blocks> native,
               std::vector<gradient_blocks> native_grads = {})
      : family_(family),
        elements_(family.block_elements()),
        native_(std::move(native)),
        native_grads_(std::move(native_grads)) {}

  [[nodiscard]] std::int64_t hidden() const noexcept { return family_.hidden; }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("loops")
        .add(family_.digest())
        .add(static_cast<std::uint64_t>(sizeof(row_type)))
        .value();
  }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return elements_[block] * static_cast<byte_count>(sizeof(row_type));
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return blocks_of<void const*>(native_, e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> /*rows_by_group*/) const {
    return family_.work_elements() * static_cast<byte_count>(sizeof(row_type));
  }

  void forward(host_device::queue&, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* work) {
    auto* const scratch = static_cast<row_type*>(work);
    for (auto const& group : groups) {
      auto const weights = typed(group);
      for (row_count row = group.first; row < group.first + group.rows; ++row)
        family_.apply(x + row * hidden(), weights, y + row * hidden(), scratch);
    }
  }

  // training

  [[nodiscard]] std::int64_t grad_elements(std::size_t block) const { return elements_[block]; }
  [[nodiscard]] std::array<void*, blocks> native_grad(expert_id e) const {
    return blocks_of<void*>(native_grads_, e);
  }
  [[nodiscard]] byte_count saved_row_bytes() const
    requires trainable_family<Family>
  {
    return family_.saved_elements() * static_cast<byte_count>(sizeof(row_type));
  }
  [[nodiscard]] byte_count backward_work_bytes(std::span<row_count const> /*rows_by_group*/) const
    requires trainable_family<Family>
  {
    return (family_.saved_elements() + family_.backward_elements()) *
           static_cast<byte_count>(sizeof(row_type));
  }

  void forward(host_device::queue&, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* saved, void* work)
    requires trainable_family<Family>
  {
    auto* const scratch = static_cast<row_type*>(work);
    for (auto const& group : groups) {
      auto const weights = typed(group);
      for (row_count row = group.first; row < group.first + group.rows; ++row) {
        family_.apply(x + row * hidden(), weights, y + row * hidden(), scratch);
        std::copy_n(scratch, family_.saved_elements(),
                    static_cast<row_type*>(saved) + row * family_.saved_elements());
      }
    }
  }

  void backward(host_device::queue&, std::span<gradient_group<blocks> const> groups,
                row_type const* x, void const* saved, row_type const* gy, row_type* gx, void* work)
    requires trainable_family<Family>
  {
    auto* const again = static_cast<row_type*>(work);  // what wasn't saved
    for (auto const& group : groups) {
      auto const weights = typed(group);
      gradient_blocks grads{};
      for (std::size_t b = 0; b < blocks; ++b) grads[b] = static_cast<row_type*>(group.grads[b]);
      for (row_count row = group.first; row < group.first + group.rows; ++row) {
        std::int64_t const at = row * hidden();
        if (saved == nullptr) family_.save(x + at, weights, again);
        row_type const* const z =
            saved == nullptr ? again
                             : static_cast<row_type const*>(saved) + row * family_.saved_elements();
        family_.apply_backward(x + at, weights, z, gy + at, gx + at, grads,
                               again + family_.saved_elements());
      }
    }
  }

 private:
  template <class Pointer, class Blocks>
  [[nodiscard]] static std::array<Pointer, blocks> blocks_of(std::vector<Blocks> const& all,
                                                             expert_id e) {
    std::array<Pointer, blocks> at{};
    if (static_cast<std::size_t>(e) < all.size())
      for (std::size_t b = 0; b < blocks; ++b) at[b] = all[static_cast<std::size_t>(e)][b];
    return at;
  }

  template <class Group>
  [[nodiscard]] static weight_blocks typed(Group const& group) {
    weight_blocks weights{};
    for (std::size_t b = 0; b < blocks; ++b)
      weights[b] = static_cast<row_type const*>(group.weights[b]);
    return weights;
  }

  Family family_;
  std::array<std::int64_t, blocks> elements_;
  std::vector<weight_blocks> native_;
  std::vector<gradient_blocks> native_grads_;
};
static_assert(trainable_kernel<loops_kernel<linear_expert<float>>>);
static_assert(trainable_kernel<loops_kernel<swiglu_expert<double>>>);
static_assert(trainable_kernel<loops_kernel<gptoss_expert<float>>>);

}  // namespace llep
