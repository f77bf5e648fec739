// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

namespace llep {

// The letters used everywhere: P ranks, E experts, T tokens on this rank, K experts (choices) per
// token, H hidden size, F intermediate size. A *row* is one (token, choice) pair.

using rank_id = std::int32_t;     ///< 0 .. P-1
using expert_id = std::int32_t;   ///< 0 .. E-1
using row_count = std::int64_t;   ///< rows, or a position among rows
using byte_count = std::int64_t;  ///< bytes

/// A row-major matrix that somebody else owns: `rows` x `cols` elements, neighbouring elements of
/// a row lie side by side, neighbouring rows `stride` >= cols elements apart.
template <class T>
struct matrix_ref {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  constexpr matrix_ref() = default;
  constexpr matrix_ref(T* first, std::int64_t r, std::int64_t c) : matrix_ref(first, r, c, c) {}
  constexpr matrix_ref(T* first, std::int64_t r, std::int64_t c, std::int64_t s)
      : data(first), rows(r), cols(c), stride(s) {}

  /// A view for reading is had from a view for writing, never the other way round.
  template <class U>
    requires(std::is_same_v<T, U const> && !std::is_const_v<U>)
  constexpr matrix_ref(matrix_ref<U> other)  // NOLINT(google-explicit-constructor)
      : matrix_ref(other.data, other.rows, other.cols, other.stride) {}

  [[nodiscard]] constexpr T* row(std::int64_t i) const { return data + i * stride; }
};

/// What sums over rows of type Row are kept in: double for double, float for everything narrower.
template <class Row>
using accumulator_t = std::conditional_t<std::is_same_v<Row, double>, double, float>;

/// The default map of E experts onto P ranks: contiguous blocks as even as possible, the first
/// E mod P ranks holding one more. Entry e is the rank that owns expert e's weights.
/// Needs E >= 0 and P >= 1.
[[nodiscard]] inline std::vector<rank_id> contiguous_owners(std::int32_t experts,
                                                            std::int32_t ranks) {
  std::vector<rank_id> owner;
  owner.reserve(static_cast<std::size_t>(experts));
  for (rank_id rank = 0; rank < ranks; ++rank)
    owner.insert(owner.end(), static_cast<std::size_t>(experts / ranks + (rank < experts % ranks)),
                 rank);
  return owner;
}

}  // namespace llep
