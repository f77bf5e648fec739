// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace llep::detail {

/// Keeps the least of n integers while they change: a tournament over a power of two of leaves.
/// `set` and `least` cost O(log n) and O(1), so that a planner with a million ranks is not
/// quadratic.
class least_tree {
 public:
  static constexpr std::int64_t never = (std::numeric_limits<std::int64_t>::max)();

  void start(std::span<std::int64_t const> keys) {
    leaves_ = std::bit_ceil(keys.size());
    nodes_.resize(2 * leaves_);
    for (std::size_t i = 0; i < leaves_; ++i)
      nodes_[leaves_ + i] = {i < keys.size() ? keys[i] : never, static_cast<std::int32_t>(i)};
    for (std::size_t at = leaves_; at-- > 1;) nodes_[at] = better(2 * at);
  }

  /// A key of `never` takes part only when all have it. Keys are at least 0.
  void set(std::int32_t i, std::int64_t key) {
    node winner{key, i};
    std::size_t at = leaves_ + static_cast<std::size_t>(i);
    nodes_[at] = winner;
    // Masks, as a branch on keys that are as good as random would cost more than all the rest, and
    // compilers turn ?: into one.
    for (; at > 1; at /= 2) {
      node const sibling = nodes_[at ^ 1U];
      auto const wins_ties = static_cast<std::int64_t>(at & 1U);  // it stands on the left
      auto const beaten = -static_cast<std::int64_t>(sibling.key - wins_ties < winner.key);
      winner.key ^= (winner.key ^ sibling.key) & beaten;
      winner.index ^= (winner.index ^ sibling.index) & static_cast<std::int32_t>(beaten);
      nodes_[at / 2] = winner;
    }
  }

  [[nodiscard]] std::int64_t key(std::int32_t i) const {
    return nodes_[leaves_ + static_cast<std::size_t>(i)].key;
  }

  /// Where the least key is; of equal ones the lowest position.
  [[nodiscard]] std::int32_t least() const { return nodes_[1].index; }

 private:
  struct node {
    std::int64_t key = never;
    std::int32_t index = 0;
  };

  // The winner among node `left` and its right neighbour.
  [[nodiscard]] node better(std::size_t left) const {
    return nodes_[left + 1].key < nodes_[left].key ? nodes_[left + 1] : nodes_[left];
  }

  std::size_t leaves_ = 0;
  std::vector<node> nodes_;  // the root at 1, the children of n at 2n and 2n + 1
};

}  // namespace llep::detail
