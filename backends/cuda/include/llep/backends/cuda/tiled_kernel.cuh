// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/expert_blocks.hpp>
#include <llep/backends/cuda/families.hpp>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/tiled_products.cuh>
#include <llep/backends/cuda/tiles.cuh>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/digest.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// An expert family in products of its own, by tiles: blocks as in loops_kernel, which has the
/// layout and is the oracle. For inference.
///
/// Unlike with cuBLAS a row's result never hangs on its neighbours, so the layer's output is
/// bit-identical for every plan, and equal to planned_layer's. It runs without tensor cores.
///
/// Family  linear_expert, swiglu_expert or gptoss_expert of float or double: sizes and parameters,
///         and what is computed with
/// Row     what rows and weights are stored in: the same, or bfloat16 or half for float
/// Queues  up to two launches for 32 groups; the host doesn't wait, and all can be captured
/// Work    F elements a row (none for linear_expert), of the family's type
template <detail::family Family, row_element Row = typename Family::element,
          memory_source Memory = pool_memory>
  requires detail::computes_rows_of<Family, Row>
class tiled_kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = device<Memory>;
  using queue = cuda::queue;
  using row_type = Row;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;

  /// @param family sizes and parameters
  /// @param native [E] where the blocks of expert e lie, in device memory; null for experts that
  ///        this rank doesn't own. Borrowed: they stay where they are while the kernel is in use.
  /// @throws llep::error (invalid_argument) if a size is below 1, and for a block in host memory or
  ///         not aligned to its elements, by name.
  tiled_kernel(Family family, std::vector<weight_blocks> native)
      : family_(family),
        products_(family),
        elements_(family.block_elements()),
        native_(std::move(native), "weights") {}

  [[nodiscard]] std::int64_t hidden() const noexcept { return family_.hidden; }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("cuda tiles")
        .add(family_.digest())
        .add(static_cast<std::uint64_t>(sizeof(element)))
        .add(static_cast<std::uint64_t>(sizeof(row_type)))
        .add(std::same_as<Row, half>)
        .value();
  }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return elements_[block] * static_cast<byte_count>(sizeof(row_type));
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return native_.template of<void const*>(e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    row_count rows = 0;
    for (row_count const n : rows_by_group) rows += n;
    byte_count const each = products_.inner() * static_cast<byte_count>(sizeof(element));
    expects(rows <= (std::numeric_limits<byte_count>::max)() / (each + 1),
            "cuda: more rows than memory can have activations of");
    return rows * each;
  }

  void forward(queue& q, std::span<row_group<blocks> const> groups, row_type const* x, row_type* y,
               void* work) {
    using groups_type = detail::launched_groups<blocks>;
    constexpr bool compact = true;
    on_device const here(q.device());
    products_.template forward<groups_type>(
        x, y, static_cast<element*>(work), compact,
        [&](auto kernel, auto const& product, auto const& from, auto const& to) {
          std::int64_t const across = detail::tiles_of(product.columns(), product.width);
          detail::for_batches<blocks>(
              groups, [](row_count rows) { return detail::tiles_of(rows, detail::tile::rows); },
              [&](auto const& batch, std::int64_t row_tiles) {
                detail::launch(q, {row_tiles * across, detail::tile::threads}, kernel,
                               groups_type{batch, row_tiles}, product, from, to);
              });
        });
  }

 private:
  using element = typename Family::element;

  Family family_;
  detail::tiled_products<Family, Row> products_;
  std::array<std::int64_t, blocks> elements_;
  detail::expert_blocks<Row const*, blocks> native_;
};

}  // namespace llep::cuda
