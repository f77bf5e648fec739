// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/groups.hpp>
#include <llep/backends/kokkos/products.hpp>
#include <llep/backends/kokkos/space.hpp>
#include <llep/kernel/feed_forward.hpp>

namespace llep::kokkos::detail {

// What lies between the products of an expert: h = gate(z), where z has two numbers for each of h.

template <class T>
[[nodiscard]] KOKKOS_FUNCTION T sigmoid(T x) {
  return T{1} / (T{1} + Kokkos::exp(-x));
}

/// h = silu(gate) up; z is [gates, ups].
template <class T>
struct silu_gate {
  std::int64_t inner;

  explicit silu_gate(swiglu_expert<T> const& f) : inner(f.inner) {}
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t gate_at(std::int64_t i) const { return i; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t up_at(std::int64_t i) const { return inner + i; }
  [[nodiscard]] KOKKOS_FUNCTION T operator()(T gate, T up) const {
    return up * (gate * sigmoid(gate));
  }
  KOKKOS_FUNCTION void back(T gate, T up, T gh, T& by_gate, T& by_up) const {
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
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t gate_at(std::int64_t i) const { return 2 * i; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t up_at(std::int64_t i) const { return 2 * i + 1; }
  [[nodiscard]] KOKKOS_FUNCTION T operator()(T gate, T up) const {
    gate = at_most(gate);
    return (clamped(up) + T{1}) * gate * sigmoid(alpha * gate);
  }
  KOKKOS_FUNCTION void back(T gate, T up, T gh, T& by_gate, T& by_up) const {
    T const g = at_most(gate);
    T const s = sigmoid(alpha * g);
    by_gate =
        gate > limit ? T{0} : gh * (clamped(up) + T{1}) * (s * (T{1} + alpha * g * (T{1} - s)));
    by_up = up > limit || up < -limit ? T{0} : gh * (g * s);
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION T at_most(T x) const { return x > limit ? limit : x; }
  [[nodiscard]] KOKKOS_FUNCTION T clamped(T x) const { return x < -limit ? -limit : at_most(x); }
};

/// h = gate(z), a row an item.
template <class Space, std::size_t Blocks, class T, class Gate>
struct gate_rows {
  group_batch<Blocks> batch;
  Gate gate;
  row_area<T const> z;
  row_area<T> h;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t items(row_count rows) const { return rows; }
  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    auto const item = first + team.league_rank();
    auto const& group = batch.of_item(item);
    T const* const from = z.row(group, item - group.items_before);
    T* const to = h.row(group, item - group.items_before);
    for_strips<Space>(team, h.stride, [&](std::int64_t begin, std::int64_t n) {
      for (std::int64_t i = begin; i < begin + n; ++i)
        to[i] = gate(from[gate.gate_at(i)], from[gate.up_at(i)]);
    });
  }
};

/// Its way back: h holds the gradient by h and becomes h; gz, which z may be, is set.
template <class Space, std::size_t Blocks, class T, class Gate>
struct gate_rows_back {
  group_batch<Blocks> batch;
  Gate gate;
  row_area<T const> z;
  row_area<T> h;
  row_area<T> gz;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t items(row_count rows) const { return rows; }
  KOKKOS_FUNCTION void operator()(team_member<Space> const& team) const {
    auto const item = first + team.league_rank();
    auto const& group = batch.of_item(item);
    T const* const from = z.row(group, item - group.items_before);
    T* const by_z = gz.row(group, item - group.items_before);
    T* const by_h = h.row(group, item - group.items_before);
    for_strips<Space>(team, h.stride, [&](std::int64_t begin, std::int64_t n) {
      for (std::int64_t i = begin; i < begin + n; ++i) {
        T const g = from[gate.gate_at(i)];
        T const up = from[gate.up_at(i)];
        T const gh = by_h[i];
        by_h[i] = gate(g, up);
        gate.back(g, up, gh, by_z[gate.gate_at(i)], by_z[gate.up_at(i)]);
      }
    });
  }
};

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

}  // namespace llep::kokkos::detail
