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
#include <llep/backends/eigen/gradients.hpp>
#include <llep/backends/eigen/tile.hpp>
#include <llep/concepts/training.hpp>
#include <llep/device/host.hpp>
#include <llep/digest.hpp>
#include <llep/error.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/kernel/loops.hpp>

namespace llep::eigen {

namespace detail {

/// The families that have a way by tiles, forward and backward. A user can't add one.
// clang-format off
template <class F>
concept tiled_family =
    (std::same_as<typename F::element, float> || std::same_as<typename F::element, double>) &&
    (std::same_as<F, linear_expert<typename F::element>> ||
     std::same_as<F, swiglu_expert<typename F::element>> ||
     std::same_as<F, gptoss_expert<typename F::element>>);
// clang-format on

/// What the scratch of a tile may take at most: sums of a few of it are far from 2^63.
inline constexpr byte_count most_scratch_bytes = byte_count{1} << 56;

}  // namespace detail

/// An expert family on Eigen's matrix product, in the calling thread: blocks as in loops_kernel,
/// which has the layout and is the oracle. Allocates nothing. A row's result and its gradient never
/// depend on its neighbours, so the layer's output, and its gradients by hidden states and gates,
/// are bit-identical for every plan.
///
/// Family: linear_expert, swiglu_expert or gptoss_expert of float or double; one of your own runs
/// on loops_kernel.
template <detail::tiled_family Family>
class kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = host_device;
  using row_type = typename Family::element;
  using grad_type = row_type;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;
  using gradient_blocks = std::array<row_type*, blocks>;

  /// Parameters are those of loops_kernel.
  /// @throws llep::error (invalid_argument) if a size is below 1, or if a tile of rows wouldn't fit
  ///         into 2^56 bytes.
  kernel(Family family, std::vector<weight_blocks> native,
         std::vector<gradient_blocks> native_grads = {})
      : family_(family), layout_(family, std::move(native), std::move(native_grads)) {
    expects(has_sane_tiles(), "eigen: H is too large: a tile of rows must fit into 2^56 bytes");
  }

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
    return most_bytes(direction::forward, rows_by_group);
  }

  void forward(host_device::queue& q, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* work) {
    forward(q, groups, x, y, nullptr, work);
  }

  // training

  [[nodiscard]] std::int64_t grad_elements(std::size_t block) const {
    return layout_.grad_elements(block);
  }
  [[nodiscard]] std::array<void*, blocks> native_grad(expert_id e) const {
    return layout_.native_grad(e);
  }
  [[nodiscard]] byte_count saved_row_bytes() const { return layout_.saved_row_bytes(); }
  [[nodiscard]] byte_count backward_work_bytes(std::span<row_count const> rows_by_group) const {
    return most_bytes(direction::backward, rows_by_group);
  }

  /// A null `saved` is nothing to be saved.
  void forward(host_device::queue&, std::span<row_group<blocks> const> groups, row_type const* x,
               row_type* y, void* saved, void* work) {
    auto* const keep = static_cast<row_type*>(saved);
    each_tile(direction::forward, groups, work, [&](auto& group, row_range r, auto& scratch) {
      auto const out = r.of(y, hidden());
      tile const t{scratch.filled(0, r.of(x, hidden())), scratch.room(1, out),
                   scratch.inner(r.rows), r.of(keep, family_.saved_elements()), scratch.blocks};
      detail::forward(family_, typed<row_type const>(group.weights), t);
      scratch.deliver(t.y, out);
    });
  }

  void backward(host_device::queue&, std::span<gradient_group<blocks> const> groups,
                row_type const* x, void const* saved, row_type const* gy, row_type* gx,
                void* work) {
    auto const* const kept = static_cast<row_type const*>(saved);
    each_tile(direction::backward, groups, work, [&](auto& group, row_range r, auto& scratch) {
      auto const out = r.of(gx, hidden());
      gradient_tile const t{r.rows,
                            scratch.filled(0, r.of(x, hidden())),
                            scratch.filled(1, r.of(gy, hidden())),
                            scratch.room(2, out),
                            scratch.inner(r.rows),
                            r.of(kept, family_.saved_elements()),
                            scratch.blocks};
      detail::backward(family_, typed<row_type const>(group.weights), typed<row_type>(group.grads),
                       t);
      scratch.deliver(t.gx, out);
    });
  }

 private:
  using direction = detail::direction;
  using row_range = detail::row_range;
  using tile = detail::tile<row_type>;
  using gradient_tile = detail::gradient_tile<row_type>;
  static constexpr std::int64_t alignment = detail::tile_memory<row_type>::line_bytes;

  [[nodiscard]] detail::tile_memory<row_type> memory(direction way, row_count group_rows,
                                                     void* work) const {
    return {way, detail::tiling<row_type>(group_rows), hidden(),
            detail::inner_columns(family_, way), work};
  }

  // No group wants more than the largest tile that is ragged. The first bound keeps what the second
  // adds up within 63 bits; inner activations are chunks of bounded size.
  [[nodiscard]] bool has_sane_tiles() const {
    constexpr row_count rows = detail::most_tile_rows - 1;
    constexpr auto row_bytes = detail::most_scratch_bytes / detail::most_tile_rows;
    return hidden() <= row_bytes / static_cast<byte_count>(sizeof(row_type)) &&
           memory(direction::forward, rows, nullptr).bytes() <= detail::most_scratch_bytes &&
           memory(direction::backward, rows, nullptr).bytes() <= detail::most_scratch_bytes;
  }

  [[nodiscard]] byte_count most_bytes(direction way,
                                      std::span<row_count const> rows_by_group) const {
    byte_count most = 0;
    for (row_count const rows : rows_by_group)
      most = (std::max)(most, memory(way, rows, nullptr).bytes());
    return most + alignment;
  }

  // body(group, rows, scratch) for every tile of every group
  template <class Group, class Body>
  void each_tile(direction way, std::span<Group const> groups, void* work, Body body) const {
    auto const address = reinterpret_cast<std::uintptr_t>(work);
    void* const aligned = static_cast<std::byte*>(work) + (alignment - address % alignment);
    for (auto const& group : groups) {
      detail::tiling<row_type> const cut(group.rows);
      auto const scratch = memory(way, group.rows, aligned);
      for (row_count done = 0; done < group.rows; done += cut.rows)
        body(group, row_range{group.first + done, (std::min)(cut.rows, group.rows - done)},
             scratch);
    }
  }

  template <class T, class Pointer>
  [[nodiscard]] static std::array<T*, blocks> typed(std::array<Pointer, blocks> const& untyped) {
    std::array<T*, blocks> pointers{};
    for (std::size_t b = 0; b < blocks; ++b) pointers[b] = static_cast<T*>(untyped[b]);
    return pointers;
  }

  Family family_;
  loops_kernel<Family> layout_;
};
static_assert(trainable_kernel<kernel<linear_expert<float>>>);
static_assert(trainable_kernel<kernel<linear_expert<double>>>);
static_assert(trainable_kernel<kernel<swiglu_expert<float>>>);
static_assert(trainable_kernel<kernel<swiglu_expert<double>>>);
static_assert(trainable_kernel<kernel<gptoss_expert<float>>>);
static_assert(trainable_kernel<kernel<gptoss_expert<double>>>);

}  // namespace llep::eigen
