// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep {

/// The rows [first, first + rows) of the kernel's input and output belong to `expert`; block b of
/// its weights begins at weights[b], be it native or lent.
template <std::size_t Blocks>
struct row_group {
  expert_id expert = 0;
  row_count first = 0;
  row_count rows = 0;
  std::array<void const*, Blocks> weights{};
};

struct expert_kernel_tag {};

/// What an expert does with its rows.
///
/// Opt-in    A model names `using expert_kernel_concept = llep::expert_kernel_tag;`.
/// Syntax    device_type, row_type     where it runs and what a row is made of (trivially copyable)
///           blocks                    constexpr std::size_t >= 1: parts of an expert's weights
///           hidden()                  H; doesn't throw
///           digest()                  of family, sizes, parameters, element types
///           block_bytes(b)            bytes of block b < blocks, >= 1, the same for every expert
///           native(e)                 where block b of an expert lies that this rank owns
///           work_bytes(rows)          scratch that `forward` needs for groups of so many rows
///           forward(q, groups, x, y, work)   y row = expert(x row), see Shapes
/// Shapes    x, y: rows of H row_type elements, packed. Groups don't overlap; each has >= 1 row; an
///           expert is in at most one group of a call. Rows of x and y that are in no group are
///           left alone. x and y don't overlap.
/// Units     rows, and elements inside a row; blocks are opaque bytes, 256-byte aligned when lent.
/// Order     `forward` puts its work on q; `groups` is read during the call only. One step may come
///           in several calls, each with other groups, never with none. native's memory stays where
///           it is, unchanged, until q has passed the step. block_bytes and work_bytes
///           are pure: every rank computes everybody's. A subset of groups never needs more work
///           than all of them.
/// Errors    what digest, block_bytes and native throw is agreed on before anything is sent; what
///           work_bytes and forward throw takes the communicator down; either way every rank throws
///           it. NaN is data, not an error.
/// Cost      the kernel's own. No allocation of its own once it has seen the sizes.
/// Threads   one thread per kernel object at a time.
/// Not asked for: results that don't hang on the neighbouring rows. Where a row's result doesn't,
///           the layer's outputs are bit-identical for every plan.
///
/// A kernel that can be trained refines this (forward that saves, backward); inference needs no
/// more.
// clang-format off
template <class K>
concept expert_kernel =
    std::same_as<typename K::expert_kernel_concept, expert_kernel_tag> &&
    std::movable<K> &&
    device<typename K::device_type> &&
    std::same_as<decltype(K::blocks), std::size_t const> &&
    requires { requires std::bool_constant<(K::blocks >= 1)>::value; } &&
    std::is_trivially_copyable_v<typename K::row_type> &&
    combines_rows<typename K::device_type, typename K::row_type, float> &&
    requires(K& kernel, K const& view, typename K::device_type::queue& q, expert_id e,
             std::size_t block, std::span<row_count const> rows_by_group,
             std::span<row_group<K::blocks> const> groups, typename K::row_type const* x,
             typename K::row_type* y, void* work) {
      { view.hidden() } noexcept -> std::same_as<std::int64_t>;
      { view.digest() } -> std::same_as<std::uint64_t>;
      { view.block_bytes(block) } -> std::same_as<byte_count>;
      { view.native(e) } -> std::same_as<std::array<void const*, K::blocks>>;
      { view.work_bytes(rows_by_group) } -> std::same_as<byte_count>;
      { kernel.forward(q, groups, x, y, work) } -> std::same_as<void>;
    };
// clang-format on

}  // namespace llep
