// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace llep::detail {

/// Sorts by an integer key, stably, without a comparison: the loads of a step are as good as
/// random, and half of the branches of a comparing sort would be mispredicted, which takes most of
/// its time for a few hundred experts.
class radix_sort {
 public:
  struct entry {
    std::uint64_t key;
    std::int32_t value;
  };

  /// By rising key; equal keys stay in order. `used` has every bit that a key has.
  /// O(n x passes), as many passes as `used` has bytes; no allocation once the scratch has grown.
  void operator()(std::vector<entry>& entries, std::uint64_t used) {
    spare_.resize(entries.size());
    auto const bits = static_cast<int>(std::bit_width(used));
    int const passes = (bits + most_digit_bits - 1) / most_digit_bits;
    // even digits: as few buckets as that many passes can do with
    int const digit_bits = passes == 0 ? 0 : (bits + passes - 1) / passes;
    for (int pass = 0; pass < passes; ++pass) {
      scatter(entries, pass * digit_bits, digit_bits);
      std::swap(entries, spare_);
    }
  }

 private:
  static constexpr int most_digit_bits = 8;

  // Into `spare_`, by the digit from bit `shift` on.
  void scatter(std::vector<entry> const& entries, int shift, int digit_bits) {
    std::size_t const buckets = std::size_t{1} << digit_bits;
    auto const digit = [=](entry const& x) {
      return static_cast<std::size_t>(x.key >> shift) & (buckets - 1);
    };
    std::array<std::uint32_t, std::size_t{1} << most_digit_bits> first{};
    for (entry const& x : entries) ++first[digit(x)];
    std::uint32_t before = 0;
    for (std::size_t b = 0; b < buckets; ++b) before += std::exchange(first[b], before);
    for (entry const& x : entries) spare_[first[digit(x)]++] = x;
  }

  std::vector<entry> spare_;
};

}  // namespace llep::detail
