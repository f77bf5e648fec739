// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <llep/kernel/feed_forward.hpp>

namespace llep::cuda::detail {

// What lies between the products of an expert: h = gate(z), where z has two numbers for each of h.

template <class T>
[[nodiscard]] __device__ inline T sigmoid(T x) {
  return T{1} / (T{1} + exp(-x));
}

/// h = silu(gate) up; z is [gates, ups].
template <class T>
struct silu_gate {
  std::int64_t inner;

  explicit silu_gate(swiglu_expert<T> const& f) : inner(f.inner) {}
  [[nodiscard]] __device__ std::int64_t gate_at(std::int64_t i) const { return i; }
  [[nodiscard]] __device__ std::int64_t up_at(std::int64_t i) const { return inner + i; }
  [[nodiscard]] __device__ T operator()(T gate, T up) const { return up * (gate * sigmoid(gate)); }
  __device__ void back(T gate, T up, T gh, T& by_gate, T& by_up) const {
    T const s = sigmoid(gate);
    by_up = gh * (gate * s);
    by_gate = gh * up * (s * (T{1} + gate * (T{1} - s)));
  }
};

/// gpt-oss's: h = (up + 1) gate sigmoid(alpha gate), clamped before; z is [gate, up, gate, up...].
/// Comparisons that are false for a NaN let it through. What is clamped passes nothing back.
template <class T>
struct clamped_gate {
  T alpha;
  T limit;

  explicit clamped_gate(gptoss_expert<T> const& f)
      : alpha(static_cast<T>(f.alpha)), limit(static_cast<T>(f.limit)) {}
  [[nodiscard]] __device__ std::int64_t gate_at(std::int64_t i) const { return 2 * i; }
  [[nodiscard]] __device__ std::int64_t up_at(std::int64_t i) const { return 2 * i + 1; }
  [[nodiscard]] __device__ T operator()(T gate, T up) const {
    gate = at_most(gate);
    return (clamped(up) + T{1}) * gate * sigmoid(alpha * gate);
  }
  __device__ void back(T gate, T up, T gh, T& by_gate, T& by_up) const {
    T const g = at_most(gate);
    T const s = sigmoid(alpha * g);
    by_gate =
        gate > limit ? T{0} : gh * (clamped(up) + T{1}) * (s * (T{1} + alpha * g * (T{1} - s)));
    by_up = up > limit || up < -limit ? T{0} : gh * (g * s);
  }

 private:
  [[nodiscard]] __device__ T at_most(T x) const { return x > limit ? limit : x; }
  [[nodiscard]] __device__ T clamped(T x) const { return x < -limit ? -limit : at_most(x); }
};

/// Some blocks of an expert's weights of equal shape [in][out], side by side.
struct block_range {
  std::size_t first = 0;
  std::int64_t count = 1;
  std::int64_t in = 0;
  std::int64_t out = 0;
};

inline constexpr std::size_t no_block = ~std::size_t{0};

/// An expert family's products: blocks that the input meets, the gate, the block behind it.
template <class Family>
struct expert_shape;

template <class T>
struct expert_shape<linear_expert<T>> {
  block_range input;
  explicit expert_shape(linear_expert<T> const& f) : input{0, 1, f.hidden, f.hidden} {}
};

template <class T>
struct expert_shape<swiglu_expert<T>> {
  block_range input, down;
  silu_gate<T> gate;
  static constexpr std::size_t input_bias = no_block;
  static constexpr std::size_t down_bias = no_block;
  explicit expert_shape(swiglu_expert<T> const& f)
      : input{0, 2, f.hidden, f.inner}, down{2, 1, f.inner, f.hidden}, gate(f) {}
};

template <class T>
struct expert_shape<gptoss_expert<T>> {
  block_range input, down;
  clamped_gate<T> gate;
  static constexpr std::size_t input_bias = 1;
  static constexpr std::size_t down_bias = 3;
  explicit expert_shape(gptoss_expert<T> const& f)
      : input{0, 1, f.hidden, 2 * f.inner}, down{2, 1, f.inner, f.hidden}, gate(f) {}
};

}  // namespace llep::cuda::detail
