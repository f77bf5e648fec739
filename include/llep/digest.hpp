// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace llep {

/// A 64-bit fingerprint of a sequence of integers, the same on every machine: what ranks compare to
/// learn whether they hold the same policy, owners or plan. Not cryptographic. O(1) a value.
class digest {
 public:
  constexpr digest() = default;
  explicit constexpr digest(std::string_view name) { text(name); }

  constexpr digest& add(std::uint64_t value) {
    state_ = mix((state_ ^ value) + 0x9E3779B97F4A7C15U);
    return *this;
  }
  constexpr digest& add(std::int64_t value) { return add(static_cast<std::uint64_t>(value)); }
  constexpr digest& add(std::int32_t value) { return add(static_cast<std::int64_t>(value)); }
  constexpr digest& add(bool value) { return add(static_cast<std::uint64_t>(value)); }

  constexpr digest& text(std::string_view name) {
    for (char const c : name) add(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
    return add(static_cast<std::uint64_t>(name.size()));
  }

  [[nodiscard]] constexpr std::uint64_t value() const { return mix(state_); }

 private:
  // The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection in which every input bit
  // reaches every output bit.
  static constexpr std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  std::uint64_t state_ = 0;
};

}  // namespace llep
