// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/eigen/experts.hpp>
#include <llep/backends/eigen/tile.hpp>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/device/host.hpp>
#include <llep/digest.hpp>
#include <llep/kernel/loops.hpp>

namespace llep::eigen {

/// An expert family that can be computed by tiles of rows.
// clang-format off
template <class F>
concept tiled_family =
    expert_family<F> &&
    requires(F const& f, std::array<typename F::element const*, F::blocks> weights,
             tile<typename F::element> const& t) {
      { inner_columns(f) } -> std::same_as<std::int64_t>;
      { eigen::forward(f, weights, t) } -> std::same_as<void>;
    };
// clang-format on

/// An expert family on Eigen's matrix product, in the calling thread: blocks as in loops_kernel,
/// which has the layout and is the oracle. Allocates nothing. A row's result never depends on its
/// neighbours, so the layer's output is bit-identical for every plan.
///
/// Family: linear_expert, swiglu_expert or gptoss_expert of float or double.
template <tiled_family Family>
class kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = host_device;
  using row_type = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;

  /// Parameters and errors are those of loops_kernel.
  kernel(Family family, std::vector<weight_blocks> native)
      : family_(family), layout_(family, std::move(native)) {}

  [[nodiscard]] std::int64_t hidden() const noexcept { return family_.hidden; }
  /// Not the loops kernel's: ranks that mixed the two would give other bits with another plan.
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("eigen").add(layout_.digest()).value();
  }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return layout_.block_bytes(block);
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return layout_.native(e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    byte_count most = 0;
    for (row_count const rows : rows_by_group)
      if (rows > 0) most = (std::max)(most, memory(tiling<row_type>(rows), nullptr).bytes());
    return most + alignment;
  }

  void forward(host_device::queue&, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* work) {
    auto const address = reinterpret_cast<std::uintptr_t>(work);
    void* const aligned = static_cast<std::byte*>(work) + (alignment - address % alignment);
    for (auto const& group : groups) {
      weight_blocks weights{};
      for (std::size_t b = 0; b < blocks; ++b)
        weights[b] = static_cast<row_type const*>(group.weights[b]);
      tiling<row_type> const cut(group.rows);
      auto const scratch = memory(cut, aligned);
      for (row_count done = 0; done < group.rows; done += cut.rows) {
        std::int64_t const at = (group.first + done) * hidden();
        compute((std::min)(cut.rows, group.rows - done), x + at, y + at, weights, scratch);
      }
    }
  }

 private:
  static constexpr std::int64_t alignment = tile_memory<row_type>::line_bytes;

  [[nodiscard]] tile_memory<row_type> memory(tiling<row_type> const& cut, void* work) const {
    return {cut, hidden(), inner_columns(family_), work};
  }

  void compute(row_count rows, row_type const* x, row_type* y, weight_blocks const& weights,
               tile_memory<row_type> const& scratch) const {
    auto const used = (rows + row_step<row_type> - 1) / row_step<row_type> * row_step<row_type>;
    tile<row_type> t{{x, used, hidden()}, {y, used, hidden()}, scratch.inner, scratch.blocks};
    t.inner.rows = used;
    bool const ragged = used != rows;
    if (ragged) {
      t.x.data = scratch.x.data;
      t.y.data = scratch.y.data;
      std::copy_n(x, rows * hidden(), scratch.x.data);
      std::fill_n(scratch.x.row(rows), (used - rows) * hidden(), row_type{0});
    }
    eigen::forward(family_, weights, t);
    if (ragged) std::copy_n(scratch.y.data, rows * hidden(), y);
  }

  Family family_;
  loops_kernel<Family> layout_;
};
static_assert(expert_kernel<kernel<linear_expert<float>>>);
static_assert(expert_kernel<kernel<swiglu_expert<double>>>);
static_assert(expert_kernel<kernel<gptoss_expert<float>>>);

}  // namespace llep::eigen
