// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>

// Floats in 16 bits and back: to nearest, ties to even; what is too large becomes infinite, and a
// NaN stays one. Done in integers, so that no compiler's flags matter.

namespace cuda_on_host {

inline std::uint16_t to_bfloat16(float value) {
  auto const u = std::bit_cast<std::uint32_t>(value);
  if ((u & 0x7FFFFFFFU) > 0x7F800000U) return 0x7FFF;  // CUDA's only NaN
  return static_cast<std::uint16_t>((u + 0x7FFFU + ((u >> 16U) & 1U)) >> 16U);
}

inline float from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16U);
}

inline std::uint16_t to_half(float value) {
  auto const u = std::bit_cast<std::uint32_t>(value);
  std::uint32_t const sign = (u >> 16U) & 0x8000U;
  std::uint32_t const magnitude = u & 0x7FFFFFFFU;
  if (magnitude > 0x7F800000U) return 0x7FFF;  // CUDA's only NaN
  if (magnitude >= 0x47800000U) return static_cast<std::uint16_t>(sign | 0x7C00U);
  if (magnitude >= 0x38800000U) {  // normal; a carry goes into the exponent, up to infinity
    std::uint32_t const rebiased = magnitude - 0x38000000U;
    return static_cast<std::uint16_t>(sign |
                                      ((rebiased + 0xFFFU + ((rebiased >> 13U) & 1U)) >> 13U));
  }
  std::uint32_t const exponent = magnitude >> 23U;
  if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below a half of 2^-24
  std::uint32_t const fraction = (magnitude & 0x7FFFFFU) | 0x800000U;
  std::uint32_t const shift = 126 - exponent;  // 14 .. 24
  std::uint32_t const kept = fraction >> shift, rest = fraction & ((1U << shift) - 1U);
  std::uint32_t const tie = 1U << (shift - 1);
  bool const up = rest > tie || (rest == tie && (kept & 1U) != 0);
  return static_cast<std::uint16_t>(sign | (kept + up));
}

inline float from_half(std::uint16_t bits) {
  std::uint32_t const sign = (std::uint32_t{bits} & 0x8000U) << 16U;
  std::uint32_t const exponent = (std::uint32_t{bits} >> 10U) & 0x1FU;
  std::uint32_t const fraction = std::uint32_t{bits} & 0x3FFU;
  if (exponent == 0) {  // fraction * 2^-24, exactly
    float const magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  std::uint32_t const wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23U | fraction << 13U);
}

}  // namespace cuda_on_host
