// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <llep/shape.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::testing {

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A matrix that owns its elements and begins anywhere in their memory, with room between the rows.
template <class T>
struct table {
  std::int64_t rows, cols, stride, lead;
  std::vector<T> cells;  // of any view: `lead` in front, then rows x stride

  /// @param between what stands where nobody may look or write
  table(seeded& random, std::int64_t r, std::int64_t c, T between)
      : rows(r),
        cols(c),
        stride(c + (random.chance(50) ? random.between(1, 3) : 0)),
        lead(r > 0 && random.chance(50) ? random.between(1, 3) : 0),
        cells(at(lead + r * stride), between) {}

  T& operator()(std::int64_t i, std::int64_t j) { return cells[at(lead + i * stride + j)]; }
  T const& operator()(std::int64_t i, std::int64_t j) const {
    return cells[at(lead + i * stride + j)];
  }
  /// The matrix where `cells` have been copied to `base`.
  template <class U>
  [[nodiscard]] matrix_ref<U> view(U* base) const {
    return {rows > 0 ? base + lead : base, rows, cols, stride};
  }
};

/// Small whole numbers and halves: no sum of some thousand products is rounded, in whichever order.
template <class T>
T simple(seeded& random) {
  return static_cast<T>(static_cast<float>(random.between(-8, 8)) * 0.5F);
}
template <class T>
std::vector<T> simple_list(seeded& random, std::int64_t n) {
  std::vector<T> list(at(n));
  for (T& value : list) value = simple<T>(random);
  return list;
}
template <class T>
void fill_simple(seeded& random, table<T>& m) {
  for (std::int64_t i = 0; i < m.rows; ++i)
    for (std::int64_t j = 0; j < m.cols; ++j) m(i, j) = simple<T>(random);
}

/// n >= 3 numbers whose sum in Acc shows in which order, and in what, it is made: beside the two
/// large ones, which cancel, a 1 is lost.
template <class Acc, class T>
std::vector<T> order_telling(seeded& random, std::int64_t n) {
  std::vector<T> list(at(n), T{1});
  auto const large = static_cast<T>(Acc{2} / std::numeric_limits<Acc>::epsilon());
  auto const places = random.order(n);
  list[at((std::min)(places[0], places[1]))] = large;
  list[at((std::max)(places[0], places[1]))] = -large;
  return list;
}

/// The sizes of a random step: mostly a few odd ones, sometimes no token, sometimes many.
struct row_shape {
  std::int64_t tokens, choices, hidden;

  explicit row_shape(seeded& random)
      : tokens(random.between(1, 12)),
        choices(random.between(1, 9)),
        hidden(random.chance(80) ? random.between(1, 9) : random.between(10, 70)) {
    auto const kind = random.below(10);
    if (kind == 0) tokens = 0;
    if (kind == 1) tokens = random.between(200, 2000);
  }
  [[nodiscard]] std::int64_t n() const { return tokens * choices; }
};

}  // namespace llep::testing
