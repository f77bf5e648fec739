// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// What kernels read of a row group: where its rows lie, and its blocks.
template <std::size_t Blocks>
struct placed_group {
  row_count first = 0;  // among the caller's rows
  row_count rows = 0;
  row_count compact = 0;  // first row among those of all groups of the call, in the work
  void const* weights[Blocks] = {};
  void* grads[Blocks] = {};  // of a way back
};

/// Which entry an item is of, where `before(i)`, the items of entries before entry i, ascends.
template <class Before>
[[nodiscard]] __device__ inline std::int32_t entry_of(std::int64_t item, std::int32_t count,
                                                      Before before) {
  std::int32_t low = 0;
  for (std::int32_t high = count; high - low > 1;) {
    std::int32_t const middle = low + (high - low) / 2;
    (before(middle) <= item ? low : high) = middle;
  }
  return low;
}

/// Groups that go into one launch, as an argument of it: nothing has to be uploaded, or kept until
/// the queue is there. The number keeps the argument below the 4 KiB that any GPU takes.
template <std::size_t Blocks>
struct group_batch {
  static constexpr std::int32_t most = 32;
  std::int32_t count = 0;
  placed_group<Blocks> groups[most];
  std::int64_t items_before[most] = {};

  [[nodiscard]] __device__ std::int32_t group_of(std::int64_t item) const {
    return entry_of(item, count, [this](std::int32_t i) { return items_before[i]; });
  }
};

/// Calls f(batch, items) for all groups, as many at a time as a batch takes, where a group has
/// items_of(rows) items. Gradients are there if the caller's groups have them.
template <std::size_t Blocks, class Group, class ItemsOf, class F>
void for_batches(std::span<Group const> groups, ItemsOf items_of, F f) {
  row_count compact = 0;
  while (!groups.empty()) {
    group_batch<Blocks> batch;
    std::int64_t items = 0;
    std::size_t const here = (std::min)(groups.size(), static_cast<std::size_t>(batch.most));
    for (Group const& group : groups.first(here)) {
      batch.items_before[batch.count] = items;
      auto& entry = batch.groups[batch.count++];
      entry.first = group.first;
      entry.rows = group.rows;
      entry.compact = compact;
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
  [[nodiscard]] __host__ __device__ T* row(placed_group<Blocks> const& group, row_count r) const {
    return data + ((compact ? group.compact : group.first) + r) * stride;
  }
};

}  // namespace llep::cuda::detail
