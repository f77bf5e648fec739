// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/expert_kernel.hpp>
#include <llep/device/host.hpp>
#include <llep/kernel/feed_forward.hpp>

namespace llep {

/// An expert family in plain loops on the host, a row at a time: the oracle that faster kernels are
/// held against. A row's result never depends on its neighbours, so the layer's output is
/// bit-identical for every plan.
///
/// Family: linear_expert, swiglu_expert or gptoss_expert of float or double, or one of your own.
template <expert_family Family>
class loops_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = host_device;
  using row_type = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;

  /// @param family sizes and parameters
  /// @param native [E] where the blocks of expert e lie; not looked at for experts that this rank
  ///        doesn't own. Borrowed: they stay where they are while the kernel is in use.
  /// @throws llep::error (invalid_argument) if a size is below 1.
  loops_kernel(Family family, std::vector<weight_blocks> native)
      : family_(family), elements_(family.block_elements()), native_(std::move(native)) {}

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
    std::array<void const*, blocks> at{};
    if (static_cast<std::size_t>(e) < native_.size())
      for (std::size_t b = 0; b < blocks; ++b) at[b] = native_[static_cast<std::size_t>(e)][b];
    return at;
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> /*rows_by_group*/) const {
    return family_.work_elements() * static_cast<byte_count>(sizeof(row_type));
  }

  void forward(host_device::queue&, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* work) {
    std::int64_t const width = hidden();
    for (auto const& group : groups) {
      weight_blocks weights{};
      for (std::size_t b = 0; b < blocks; ++b)
        weights[b] = static_cast<row_type const*>(group.weights[b]);
      for (row_count row = group.first; row < group.first + group.rows; ++row)
        family_.apply(x + row * width, weights, y + row * width, static_cast<row_type*>(work));
    }
  }

 private:
  Family family_;
  std::array<std::int64_t, blocks> elements_;
  std::vector<weight_blocks> native_;
};
static_assert(expert_kernel<loops_kernel<linear_expert<float>>>);
static_assert(expert_kernel<loops_kernel<swiglu_expert<double>>>);
static_assert(expert_kernel<loops_kernel<gptoss_expert<float>>>);

}  // namespace llep
