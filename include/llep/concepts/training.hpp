// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <llep/concepts/device.hpp>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/shape.hpp>

namespace llep {

/// A device that can go backwards with these element types: a refinement of `device`, whose tag is
/// also its own. All device memory.
///
/// Syntax    zero(q, p, bytes)                 p[0, bytes) = 0
///           accumulate(q, src, n, dst)        dst[i] += src[i], n elements of Grad
///           pack_scaled(q, g, gates, slots, out)
///                    out row slots[t x K + k] = gates[t][k] x g[t]
///           sum(q, y, slots, K, out)
///                    out[t] = sum over k, ascending, of y[slots[t x K + k]]
///           gate_gradient(q, y, slots, g, out)
///                    out[t][k] = sum over h of g[t][h] x y[slots[t x K + k]][h], in an order that
///                    hangs on H alone: many lanes may share a sum
/// Units     rows and elements; bytes in zero. With 0 bytes or elements pointers may be null.
/// Sums over rows are made in accumulator_t of the row type. Order, errors, cost and threads as at
/// `device`.
// clang-format off
template <class D, class Row, class Gate, class Grad>
concept trains_rows =
    device<D> &&
    requires(D& device, typename D::queue& q, void* memory, byte_count bytes, Grad const* from,
             Grad* to, std::int64_t n, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
             std::int32_t const* slots, Row const* y, Row* rows, matrix_ref<Row> out,
             matrix_ref<Gate> grad) {
      { device.zero(q, memory, bytes) } -> std::same_as<void>;
      { device.accumulate(q, from, n, to) } -> std::same_as<void>;
      { device.pack_scaled(q, g, gates, slots, rows) } -> std::same_as<void>;
      { device.sum(q, y, slots, n, out) } -> std::same_as<void>;
      { device.gate_gradient(q, y, slots, g, grad) } -> std::same_as<void>;
    };
// clang-format on

/// A row group on its way back: block b's gradient is added to what grads[b] points to.
template <std::size_t Blocks>
struct gradient_group {
  expert_id expert = 0;
  row_count first = 0;
  row_count rows = 0;
  std::array<void const*, Blocks> weights{};
  std::array<void*, Blocks> grads{};
};

/// An expert kernel that can be trained: a refinement of `expert_kernel`, with its tag.
///
/// Syntax    grad_type              what gradients of weights are made of (trivially copyable; zero
///                                  bytes are 0)
///           grad_elements(b)       elements of block b's gradient, >= 1, the same for every expert
///           native_grad(e)         where the gradient of block b of an expert lies that this rank
///                                  owns: backward adds to it, from micro-batch to micro-batch
///           saved_row_bytes()      what forward saves of a row for backward, >= 0
///           backward_work_bytes(rows)   scratch that `backward` needs for groups of so many rows
///           forward(q, groups, x, y, saved, work)   as without `saved`, to the bit; what it saves
///                                  of row r lies at saved + r x saved_row_bytes()
///           backward(q, groups, x, saved, gy, gx, work)   gx row = gradient by the x row, given
///                                  gy, that by the y row; adds the groups' gradients of weights.
///                                  `saved` may be null: then it computes again what forward would
///                                  have saved. Also null where saved_row_bytes() is 0
/// Shapes    gx and gy as x and y: they don't overlap, and rows in no group are left alone. An
///           expert is in at most one group of a call, so that groups may run at once: no two of
///           them add to the same gradient.
/// Order     rows of a group are added in a fixed order: the same call gives the same bits. With
///           and without `saved` too. One step may come in several calls, each with other groups.
///           saved_row_bytes, grad_elements and backward_work_bytes are pure, and hang on nothing
///           but the sizes that digest() tells: every rank computes everybody's. A subset of groups
///           never needs more work than all of them.
/// Errors, cost, threads    as at `expert_kernel`; native_grad and grad_elements as native.
/// Not asked for: row gradients that don't hang on the neighbouring rows. Where they don't, the
///           layer's gradients by hidden states and gates are bit-identical for every plan.
// clang-format off
template <class K>
concept trainable_kernel =
    expert_kernel<K> &&
    std::is_trivially_copyable_v<typename K::grad_type> &&
    trains_rows<typename K::device_type, typename K::row_type, float, typename K::grad_type> &&
    requires(K& kernel, K const& view, typename K::device_type::queue& q, expert_id e,
             std::size_t block, std::span<row_count const> rows_by_group,
             std::span<row_group<K::blocks> const> groups,
             std::span<gradient_group<K::blocks> const> back, typename K::row_type const* x,
             typename K::row_type* y, void* saved, void const* was_saved, void* work) {
      { view.grad_elements(block) } -> std::same_as<std::int64_t>;
      { view.native_grad(e) } -> std::same_as<std::array<void*, K::blocks>>;
      { view.saved_row_bytes() } -> std::same_as<byte_count>;
      { view.backward_work_bytes(rows_by_group) } -> std::same_as<byte_count>;
      { kernel.forward(q, groups, x, y, saved, work) } -> std::same_as<void>;
      { kernel.backward(q, back, x, was_saved, x, y, work) } -> std::same_as<void>;
    };

/// A kernel that can be trained, on a device that goes backwards with gates of this type.
template <class K, class Gate>
concept trains_with =
    trainable_kernel<K> &&
    trains_rows<typename K::device_type, typename K::row_type, Gate, typename K::grad_type>;
// clang-format on

}  // namespace llep
