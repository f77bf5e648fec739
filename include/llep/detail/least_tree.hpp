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
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  void start(std::span<std::int64_t const> keys) {
    leaves_ = std::bit_ceil(keys.size());
    keys_.assign(leaves_, never);
    for (std::size_t i = 0; i < keys.size(); ++i) keys_[i] = keys[i];
    winner_.resize(leaves_);
    for (std::size_t node = leaves_; node-- > 1;) winner_[node] = better(2 * node);
  }

  /// A key of `never` takes part only when all have it.
  void set(std::int32_t i, std::int64_t key) {
    auto const leaf = static_cast<std::size_t>(i);
    keys_[leaf] = key;
    for (std::size_t node = (leaf + leaves_) / 2; node >= 1; node /= 2)
      winner_[node] = better(2 * node);
  }

  [[nodiscard]] std::int64_t key(std::int32_t i) const {
    return keys_[static_cast<std::size_t>(i)];
  }

  /// Where the least key is; of equal ones the lowest position.
  [[nodiscard]] std::int32_t least() const {
    return leaves_ == 1 ? 0 : static_cast<std::int32_t>(winner_[1]);
  }

 private:
  [[nodiscard]] std::size_t occupant(std::size_t node) const {
    return node >= leaves_ ? node - leaves_ : winner_[node];
  }
  // The winner among node `left` and its right neighbour.
  [[nodiscard]] std::size_t better(std::size_t left) const {
    std::size_t const a = occupant(left);
    std::size_t const b = occupant(left + 1);
    return keys_[b] < keys_[a] ? b : a;
  }

  std::size_t leaves_ = 0;
  std::vector<std::int64_t> keys_;
  std::vector<std::size_t> winner_;
};

}  // namespace llep::detail
