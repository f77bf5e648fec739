// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <Kokkos_Core.hpp>

namespace llep::kokkos {

// 16-bit storage: what rows and weights lie in; arithmetic is in float. Kokkos' own half types are
// aliases of float on hosts, so these are ours. Conversions round to nearest, ties to even; what is
// too large becomes infinite, and a NaN stays one.

/// The upper half of a float, as CUDA's __nv_bfloat16: 8 bits of exponent, 7 of fraction.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  KOKKOS_FUNCTION explicit bfloat16(float value) {
    auto const u = Kokkos::bit_cast<std::uint32_t>(value);
    std::uint32_t const rounded = (u + 0x7FFFU + ((u >> 16U) & 1U)) >> 16U;
    bool const is_nan = (u & 0x7FFFFFFFU) > 0x7F800000U;
    bits = static_cast<std::uint16_t>(is_nan ? (u >> 16U) | 0x40U : rounded);
  }
  KOKKOS_FUNCTION explicit operator float() const {
    return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }
};

/// IEEE binary16, as CUDA's __half: 5 bits of exponent, 10 of fraction.
struct half {
  std::uint16_t bits = 0;

  half() = default;
  KOKKOS_FUNCTION explicit half(float value) {
    auto const u = Kokkos::bit_cast<std::uint32_t>(value);
    std::uint32_t const sign = (u >> 16U) & 0x8000U;
    std::uint32_t const magnitude = u & 0x7FFFFFFFU;
    bits = static_cast<std::uint16_t>(sign | rounded(magnitude));
  }
  KOKKOS_FUNCTION explicit operator float() const {
    std::uint32_t const sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16U;
    std::uint32_t const shifted = static_cast<std::uint32_t>(bits & 0x7FFFU) << 13U;
    // The exponent's bias is 15 here and 127 there. A subnormal's fraction is set behind the 1 of
    // 2^-14, which is then taken off: exact, and by normal floats alone, as programs may flush
    // others to 0 (-ffast-math). Compilers have vectors for that.
    float const tiny = Kokkos::bit_cast<float>(shifted + 0x38800000U) - 0x1p-14F;
    std::uint32_t const finite =
        shifted < 0x00800000U ? Kokkos::bit_cast<std::uint32_t>(tiny) : shifted + 0x38000000U;
    std::uint32_t const wide = shifted >= 0x0F800000U ? shifted | 0x7F800000U : finite;
    return Kokkos::bit_cast<float>(sign | wide);
  }

 private:
  KOKKOS_FUNCTION static std::uint32_t rounded(std::uint32_t magnitude) {
    if (magnitude > 0x7F800000U) return 0x7E00U | ((magnitude >> 13U) & 0x1FFU);  // NaN
    if (magnitude >= 0x47800000U) return 0x7C00U;                                 // 2^16 and more
    if (magnitude >= 0x38800000U) {  // normal; a carry goes into the exponent, up to infinity
      std::uint32_t const rebiased = magnitude - 0x38000000U;
      return (rebiased + 0xFFFU + ((rebiased >> 13U) & 1U)) >> 13U;
    }
    // Subnormal: the float unit rounds, at the place where 0.5 has 2^-24. What a float has of
    // subnormals becomes 0 there in any case.
    float const at_half = Kokkos::bit_cast<float>(magnitude) + 0.5F;
    return Kokkos::bit_cast<std::uint32_t>(at_half) - 0x3F000000U;
  }
};

static_assert(sizeof(bfloat16) == 2 && std::is_trivially_copyable_v<bfloat16>);
static_assert(sizeof(half) == 2 && std::is_trivially_copyable_v<half>);

/// What rows and weights may be made of on this backend's devices.
template <class T>
concept row_element = std::same_as<T, float> || std::same_as<T, double> ||
                      std::same_as<T, bfloat16> || std::same_as<T, half>;

}  // namespace llep::kokkos
