// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <utility>
#include <vector>

namespace llep::testing {

/// splitmix64: a seed gives the same numbers with every standard library, and costs nothing to set.
class seeded {
 public:
  explicit seeded(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// In [0, n), n >= 1.
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n));
  }
  /// In [low, high], which may be all there are.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    auto const span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    auto const off = span == 0 ? next() : next() % span;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + off);
  }
  std::int32_t int32(std::int64_t low, std::int64_t high) {
    return static_cast<std::int32_t>(between(low, high));
  }
  bool chance(int percent) { return below(100) < percent; }
  /// In [0, 1).
  double real() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
  template <class T>
  T one_of(std::initializer_list<T> list) {
    return list.begin()[below(static_cast<std::int64_t>(list.size()))];
  }
  /// 0 to n - 1 in any order.
  template <class T = std::int32_t>
  std::vector<T> order(std::int64_t n) {
    std::vector<T> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), T{0});
    for (std::size_t i = all.size(); i > 1; --i)
      std::swap(all[i - 1], all[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
    return all;
  }

 private:
  std::uint64_t state_;
};

}  // namespace llep::testing
