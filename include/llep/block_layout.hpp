// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <numeric>

#include <llep/concepts/training.hpp>
#include <llep/shape.hpp>

namespace llep {

namespace detail {

constexpr byte_count align_256(byte_count bytes) { return (bytes + 255) / 256 * 256; }

// The blocks of one expert, one after the other in memory, each aligned to 256 bytes.
template <std::size_t Blocks>
struct block_layout {
  std::array<byte_count, Blocks> bytes{};

  [[nodiscard]] byte_count unit() const {  // large elements keep the counts of messages small
    return std::accumulate(bytes.begin(), bytes.end(), byte_count{0},
                           std::gcd<byte_count, byte_count>);
  }
  [[nodiscard]] byte_count total() const {
    byte_count sum = 0;
    for (byte_count const b : bytes) sum += align_256(b);
    return sum;
  }
  template <class Pointer, class Byte>
  [[nodiscard]] std::array<Pointer, Blocks> at(Byte* base) const {
    std::array<Pointer, Blocks> where{};
    for (std::size_t b = 0; b < Blocks; ++b) {
      where[b] = base;
      base += align_256(bytes[b]);
    }
    return where;
  }
};

template <class K>
block_layout<K::blocks> weight_layout(K const& kernel) {
  block_layout<K::blocks> layout;
  for (std::size_t b = 0; b < K::blocks; ++b) layout.bytes[b] = kernel.block_bytes(b);
  return layout;
}

template <trainable_kernel K>
block_layout<K::blocks> gradient_layout(K const& kernel) {
  block_layout<K::blocks> layout;
  for (std::size_t b = 0; b < K::blocks; ++b)
    layout.bytes[b] =
        kernel.grad_elements(b) * static_cast<byte_count>(sizeof(typename K::grad_type));
  return layout;
}

}  // namespace detail

}  // namespace llep
