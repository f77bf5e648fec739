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

// The three expert families, one row at a time: sizes, a fingerprint, what a row becomes, and its
// gradients. All matrices are row-major, [in][out]. `work` holds work_elements() numbers.

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

// gx[i] += sum over j, ascending, of w[i][j] gz[j], and gw[i][j] += x[i] gz[j]
template <class T>
void add_gradients(T const* x, std::int64_t in, T const* w, std::int64_t out, T const* gz, T* gx,
                   T* gw) {
  for (std::int64_t i = 0; i < in; ++i) {
    T const* const row = w + i * out;
    T* const grad = gw + i * out;
    T const a = x[i];
    T total{0};
    for (std::int64_t j = 0; j < out; ++j) {
      total += row[j] * gz[j];
      grad[j] += a * gz[j];
    }
    gx[i] += total;
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

/// An expert family that can be trained. Backward wants saved_elements() numbers of a row, which
/// `save(x, blocks, saved)` computes and `apply` leaves in the first elements of its work.
/// `apply_backward(x, blocks, saved, gy, gx, grads, work)` sets the row gradient gx and adds to the
/// blocks' gradients; its work has backward_elements() numbers.
// clang-format off
template <class F>
concept trainable_family =
    expert_family<F> &&
    requires(F const& f, typename F::element const* x,
             std::array<typename F::element const*, F::blocks> weights, typename F::element* y,
             std::array<typename F::element*, F::blocks> grads) {
      { f.saved_elements() } -> std::same_as<std::int64_t>;
      { f.backward_elements() } -> std::same_as<std::int64_t>;
      { f.save(x, weights, y) } -> std::same_as<void>;
      { f.apply_backward(x, weights, x, x, y, grads, y) } -> std::same_as<void>;
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

  [[nodiscard]] std::int64_t saved_elements() const { return 0; }
  [[nodiscard]] std::int64_t backward_elements() const { return 0; }
  void save(T const* /*x*/, std::array<T const*, blocks> /*w*/, T* /*saved*/) const {}
  void apply_backward(T const* x, std::array<T const*, blocks> w, T const* /*saved*/, T const* gy,
                      T* gx, std::array<T*, blocks> grads, T* /*work*/) const {
    std::fill_n(gx, hidden, T{0});
    detail::add_gradients(x, hidden, w[0], hidden, gy, gx, grads[0]);
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
  [[nodiscard]] std::int64_t work_elements() const { return 3 * inner; }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("swiglu").add(hidden).add(inner).value();
  }
  void apply(T const* x, std::array<T const*, blocks> w, T* y, T* work) const {
    T* const h = work + 2 * inner;
    save(x, w, work);
    for (std::int64_t i = 0; i < inner; ++i)
      h[i] = work[inner + i] * (work[i] * detail::sigmoid(work[i]));
    std::fill_n(y, hidden, T{0});
    detail::add_product(h, inner, w[2], hidden, y);
  }

  [[nodiscard]] std::int64_t saved_elements() const { return 2 * inner; }  // gate, up
  [[nodiscard]] std::int64_t backward_elements() const { return 4 * inner; }
  void save(T const* x, std::array<T const*, blocks> w, T* saved) const {
    std::fill_n(saved, 2 * inner, T{0});
    detail::add_product(x, hidden, w[0], inner, saved);
    detail::add_product(x, hidden, w[1], inner, saved + inner);
  }
  void apply_backward(T const* x, std::array<T const*, blocks> w, T const* saved, T const* gy,
                      T* gx, std::array<T*, blocks> grads, T* work) const {
    T* const h = work;
    T* const gh = work + inner;
    T* const g_gate = work + 2 * inner;
    T* const g_up = work + 3 * inner;
    for (std::int64_t i = 0; i < inner; ++i)
      h[i] = saved[inner + i] * (saved[i] * detail::sigmoid(saved[i]));
    std::fill_n(gh, inner, T{0});
    detail::add_gradients(h, inner, w[2], hidden, gy, gh, grads[2]);
    for (std::int64_t i = 0; i < inner; ++i) {
      T const gate = saved[i];
      T const s = detail::sigmoid(gate);
      g_up[i] = gh[i] * (gate * s);
      g_gate[i] = gh[i] * saved[inner + i] * (s * (T{1} + gate * (T{1} - s)));  // silu'
    }
    std::fill_n(gx, hidden, T{0});
    detail::add_gradients(x, hidden, w[0], inner, g_gate, gx, grads[0]);
    detail::add_gradients(x, hidden, w[1], inner, g_up, gx, grads[1]);
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
    T* const h = work + 2 * inner;
    save(x, w, work);
    for (std::int64_t i = 0; i < inner; ++i) h[i] = activation(work[2 * i], work[2 * i + 1]);
    std::copy_n(w[3], hidden, y);
    detail::add_product(h, inner, w[2], hidden, y);
  }

  [[nodiscard]] std::int64_t saved_elements() const { return 2 * inner; }  // z
  [[nodiscard]] std::int64_t backward_elements() const { return 4 * inner; }
  void save(T const* x, std::array<T const*, blocks> w, T* saved) const {
    std::copy_n(w[1], 2 * inner, saved);
    detail::add_product(x, hidden, w[0], 2 * inner, saved);
  }
  void apply_backward(T const* x, std::array<T const*, blocks> w, T const* saved, T const* gy,
                      T* gx, std::array<T*, blocks> grads, T* work) const {
    T* const h = work;
    T* const gh = work + inner;
    T* const gz = work + 2 * inner;
    for (std::int64_t i = 0; i < inner; ++i) h[i] = activation(saved[2 * i], saved[2 * i + 1]);
    std::fill_n(gh, inner, T{0});
    detail::add_gradients(h, inner, w[2], hidden, gy, gh, grads[2]);
    for (std::int64_t i = 0; i < hidden; ++i) grads[3][i] += gy[i];
    for (std::int64_t i = 0; i < inner; ++i) activation_gradient(saved + 2 * i, gh[i], gz + 2 * i);
    for (std::int64_t i = 0; i < 2 * inner; ++i) grads[1][i] += gz[i];
    std::fill_n(gx, hidden, T{0});
    detail::add_gradients(x, hidden, w[0], 2 * inner, gz, gx, grads[0]);
  }

 private:
  // Comparisons that are false for a NaN let it through; std::min would lose it.
  [[nodiscard]] T activation(T gate, T up) const {
    auto const most = static_cast<T>(limit);
    if (gate > most) gate = most;
    return (std::clamp(up, -most, most) + T{1}) * gate *
           detail::sigmoid(static_cast<T>(alpha) * gate);
  }

  // A value that is clamped passes nothing back.
  void activation_gradient(T const* z, T gh, T* gz) const {
    auto const most = static_cast<T>(limit);
    auto const slope = static_cast<T>(alpha);
    T const gate = z[0] > most ? most : z[0];
    T const up = std::clamp(z[1], -most, most);
    T const s = detail::sigmoid(slope * gate);
    gz[0] = z[0] > most ? T{0} : gh * (up + T{1}) * (s * (T{1} + slope * gate * (T{1} - s)));
    gz[1] = z[1] > most || z[1] < -most ? T{0} : gh * (gate * s);
  }
};

}  // namespace llep
