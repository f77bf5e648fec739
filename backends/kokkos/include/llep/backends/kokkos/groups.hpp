// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <Kokkos_Core.hpp>

#include <llep/shape.hpp>

namespace llep::kokkos::detail {

/// Where an expert's rows lie, and what a launch needs of its blocks.
template <std::size_t Blocks>
struct launched_group {
  row_count first = 0;  // among the caller's rows
  row_count rows = 0;
  row_count compact = 0;  // first row among those of all groups of the call, in the work
  std::int64_t items_before = 0;
  Kokkos::Array<void const*, Blocks> weights{};
  Kokkos::Array<void*, Blocks> grads{};
};

/// Groups that go into one launch, as an argument of it: nothing has to be uploaded, or kept until
/// the queue is there. The number keeps the argument below the 4 KiB that CUDA takes.
template <std::size_t Blocks>
struct group_batch {
  static constexpr std::size_t most = 32;
  std::int32_t count = 0;
  launched_group<Blocks> groups[most];

  /// Which group an item (a tile, a row, ...) is of: `items_before` ascends.
  [[nodiscard]] KOKKOS_FUNCTION launched_group<Blocks> const& of_item(std::int64_t item) const {
    std::int32_t low = 0;
    for (std::int32_t high = count; high - low > 1;) {
      std::int32_t const middle = low + (high - low) / 2;
      (groups[middle].items_before <= item ? low : high) = middle;
    }
    return groups[low];
  }
};

/// Launches for all groups, as many at a time as a batch takes: f(batch, items), where a group has
/// `items_of(rows)` items. Gradients are there if the caller's groups have them.
template <std::size_t Blocks, class Group, class ItemsOf, class F>
void for_batches(std::span<Group const> groups, ItemsOf items_of, F f) {
  row_count compact = 0;
  while (!groups.empty()) {
    group_batch<Blocks> batch;
    std::int64_t items = 0;
    std::size_t const here = (std::min)(groups.size(), batch.most);
    for (Group const& group : groups.first(here)) {
      auto& entry = batch.groups[batch.count++];
      entry.first = group.first;
      entry.rows = group.rows;
      entry.compact = compact;
      entry.items_before = items;
      for (std::size_t b = 0; b < Blocks; ++b) {
        entry.weights[b] = group.weights[b];
        if constexpr (requires { group.grads; }) entry.grads[b] = group.grads[b];
      }
      compact += group.rows;
      items += items_of(group.rows);
    }
    f(batch, items);
    groups = groups.subspan(here);
  }
}

/// Rows of all groups: the caller's, where the groups say, or the work's, one after the other.
template <class T>
struct row_area {
  T* data = nullptr;
  std::int64_t stride = 0;
  bool compact = false;

  template <std::size_t Blocks>
  [[nodiscard]] KOKKOS_FUNCTION T* row(launched_group<Blocks> const& group, row_count r) const {
    return data + ((compact ? group.compact : group.first) + r) * stride;
  }
};

}  // namespace llep::kokkos::detail
