// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <llep/digest.hpp>
#include <llep/error.hpp>

namespace llep {

// The three expert families, one row at a time: sizes, a fingerprint, and what a row becomes. All
// matrices are row-major, [in][out]. `work` holds work_elements() numbers.

namespace detail {

// z[j] += sum over i, ascending, of x[i] w[i][j]
template <class T>
void add_product(T const* x, std::int64_t in, T const* w, std::int64_t out, T* z) {
  for (std::int64_t i = 0; i < in; ++i) {
    T const a = x[i];
    T const* const row = w + i * out;
    for (std::int64_t j = 0; j < out; ++j) z[j] += a * row[j];
  }
}

template <class T>
T sigmoid(T x) {
  return T{1} / (T{1} + std::exp(-x));
}

inline std::int64_t checked_elements(std::int64_t a, std::int64_t b) {
  expects(a >= 1 && b >= 1 && a <= (std::numeric_limits<std::int64_t>::max)() / 64 / b,
          "feed-forward: sizes must be at least 1, and a block must fit in memory");
  return a * b;
}

}  // namespace detail

/// An expert, a row at a time: `apply(x, blocks, y, work)` turns a row of `hidden` elements into
/// another; block b has block_elements()[b] of them, work has work_elements(). Pure.
// clang-format off
template <class F>
concept expert_family =
    std::floating_point<typename F::element> && std::copyable<F> &&
    requires(F const& f, typename F::element const* x,
             std::array<typename F::element const*, F::blocks> weights, typename F::element* y) {
      { f.hidden } -> std::convertible_to<std::int64_t>;
      { f.block_elements() } -> std::same_as<std::array<std::int64_t, F::blocks>>;
      { f.work_elements() } -> std::same_as<std::int64_t>;
      { f.digest() } -> std::same_as<std::uint64_t>;
      { f.apply(x, weights, y, y) } -> std::same_as<void>;
    };
// clang-format on

/// y = x W, the paper's formal case. Blocks: W [H][H].
template <class T>
struct linear_expert {
  using element = T;
  static constexpr std::size_t blocks = 1;

  std::int64_t hidden;  ///< H

  [[nodiscard]] std::array<std::int64_t, blocks> block_elements() const {
    return {detail::checked_elements(hidden, hidden)};
  }
  [[nodiscard]] std::int64_t work_elements() const { return 0; }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("linear").add(hidden).value(); }
  void apply(T const* x, std::array<T const*, blocks> w, T* y, T* /*work*/) const {
    std::fill_n(y, hidden, T{0});
    detail::add_product(x, hidden, w[0], hidden, y);
  }
};

/// y = (silu(x G) * (x U)) D with silu(z) = z sigmoid(z): DeepSeek, Kimi, Qwen, Mixtral, OLMoE.
/// Blocks: gate G [H][F], up U [H][F], down D [F][H].
template <class T>
struct swiglu_expert {
  using element = T;
  static constexpr std::size_t blocks = 3;

  std::int64_t hidden;  ///< H
  std::int64_t inner;   ///< F

  [[nodiscard]] std::array<std::int64_t, blocks> block_elements() const {
    auto const each = detail::checked_elements(hidden, inner);
    return {each, each, each};
  }
  [[nodiscard]] std::int64_t work_elements() const { return 2 * inner; }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("swiglu").add(hidden).add(inner).value();
  }
  void apply(T const* x, std::array<T const*, blocks> w, T* y, T* work) const {
    T* const gate = work;
    T* const up = work + inner;
    std::fill_n(work, 2 * inner, T{0});
    detail::add_product(x, hidden, w[0], inner, gate);
    detail::add_product(x, hidden, w[1], inner, up);
    for (std::int64_t i = 0; i < inner; ++i) up[i] *= gate[i] * detail::sigmoid(gate[i]);
    std::fill_n(y, hidden, T{0});
    detail::add_product(up, inner, w[2], hidden, y);
  }
};

/// gpt-oss's clamped, interleaved SwiGLU with biases: z = x GU + b; gate = min(z[2i], limit), up =
/// clamp(z[2i+1], -limit, limit); y = ((up + 1) gate sigmoid(alpha gate)) D + d. NaN stays NaN.
/// Blocks: gate_up [H][2F], its bias [2F], down [F][H], its bias [H].
template <class T>
struct gptoss_expert {
  using element = T;
  static constexpr std::size_t blocks = 4;

  std::int64_t hidden;   ///< H
  std::int64_t inner;    ///< F
  double alpha = 1.702;  ///< slope inside the sigmoid
  double limit = 7.0;    ///< clamp

  [[nodiscard]] std::array<std::int64_t, blocks> block_elements() const {
    expects(std::isfinite(alpha) && std::isfinite(limit) && limit > 0,
            "gptoss_expert: alpha must be finite, limit finite and greater than 0");
    return {2 * detail::checked_elements(hidden, inner), 2 * inner, hidden * inner, hidden};
  }
  [[nodiscard]] std::int64_t work_elements() const { return 3 * inner; }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("gptoss")
        .add(hidden)
        .add(inner)
        .add(std::bit_cast<std::uint64_t>(alpha))
        .add(std::bit_cast<std::uint64_t>(limit))
        .value();
  }
  void apply(T const* x, std::array<T const*, blocks> w, T* y, T* work) const {
    T* const z = work;
    T* const h = work + 2 * inner;
    auto const most = static_cast<T>(limit);
    std::copy_n(w[1], 2 * inner, z);
    detail::add_product(x, hidden, w[0], 2 * inner, z);
    for (std::int64_t i = 0; i < inner; ++i) {
      T const gate = z[2 * i] > most ? most : z[2 * i];  // not std::min: it would lose a NaN
      T const up = std::clamp(z[2 * i + 1], -most, most);
      h[i] = (up + T{1}) * gate * detail::sigmoid(static_cast<T>(alpha) * gate);
    }
    std::copy_n(w[3], hidden, y);
    detail::add_product(h, inner, w[2], hidden, y);
  }
};

}  // namespace llep
