// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <llep/agreement.hpp>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep {

/// A rank's tokens in one step: T x H in and out, T x K expert ids and gate weights.
template <class Row, class Id, class Gate>
struct token_batch {
  matrix_ref<Row const> hidden;
  matrix_ref<Id const> ids;
  matrix_ref<Gate const> gates;
  matrix_ref<Row> out;

  template <class F>
  void for_matrices(F f) const {
    f("hidden", hidden), f("ids", ids), f("gates", gates), f("out", out);
  }
};

/// A rank's part of a step on its way back: gradients by out, and by hidden and gates.
template <class Row, class Gate>
struct gradient_batch {
  matrix_ref<Row const> grad_out;
  matrix_ref<Gate const> gates;
  matrix_ref<Row> grad_hidden;
  matrix_ref<Gate> grad_gates;

  template <class F>
  void for_matrices(F f) const {
    f("grad_out", grad_out), f("gates", gates), f("grad_hidden", grad_hidden),
        f("grad_gates", grad_gates);
  }
};

namespace detail {

// What a row may hold, so that its bytes can be counted.
inline constexpr std::int64_t most_elements = std::int64_t{1} << 53;

template <class T>
void check_matrix(announcement& a, std::string_view name, matrix_ref<T> m, std::int64_t rows,
                  std::int64_t cols) {
  auto const refuse = [&](std::string const& why) {
    a.set_fault(errc::invalid_argument, std::string(name) + ": " + why);
  };
  if (m.rows != rows || m.cols != cols)
    refuse("is " + std::to_string(m.rows) + " x " + std::to_string(m.cols) + ", must be " +
           std::to_string(rows) + " x " + std::to_string(cols));
  if (m.stride > most_elements) refuse("stride " + std::to_string(m.stride) + " is above 2^53");
  if (m.stride < m.cols)
    refuse("stride " + std::to_string(m.stride) + " is below its " + std::to_string(m.cols) +
           " columns");
  if (m.data == nullptr && m.rows > 0 && m.cols > 0) refuse("data is null");
}

// The bytes of a matrix: `count` runs of `width` >= 1 bytes, `stride` >= 1 apart.
struct byte_runs {
  std::uintptr_t first;
  std::int64_t count;
  std::int64_t width;
  std::int64_t stride;

  template <class T>
  explicit byte_runs(matrix_ref<T> m)
      : first(reinterpret_cast<std::uintptr_t>(m.data)),
        count(m.rows),
        width(m.cols * static_cast<std::int64_t>(sizeof(T))),
        stride(m.stride * static_cast<std::int64_t>(sizeof(T))) {
    if (stride == width && count < most_elements / width) width *= std::exchange(count, 1);
  }
};

// Whether they have a byte in common. Exact, in O(1), where one is a single run or both have the
// same stride, such as columns of one larger matrix; else nothing is said, which is false.
[[nodiscard]] inline bool overlap(byte_runs a, byte_runs b) {
  if (a.count == 1) std::swap(a, b);
  if (b.count > 1 && a.stride != b.stride) return false;
  // Run i of `a` and run j of `b` meet where (i - j) x stride is from distance - a.width + 1 to
  // `last`. Of the i - j there are, from 1 - b.count to a.count - 1, the greatest up to `last`:
  auto const distance = static_cast<std::int64_t>(b.first - a.first);
  std::int64_t const last = distance + b.width - 1;
  std::int64_t const floor = last / a.stride - static_cast<std::int64_t>(last % a.stride < 0);
  std::int64_t const apart = (std::min)(a.count - 1, floor);
  return apart > -b.count && apart * a.stride > distance - a.width;
}

// Matrices that have passed check_matrix.
template <class T, class U>
void check_apart(announcement& a, std::string_view name, matrix_ref<T> m,
                 std::string_view other_name, matrix_ref<U> other) {
  if (a.fault != 0 || m.rows == 0 || other.rows == 0) return;
  if (overlap(byte_runs(m), byte_runs(other)))
    a.set_fault(errc::invalid_argument,
                std::string(name) + ": overlaps " + std::string(other_name));
}

// Throws for the first matrix that the device's row operations can't use, where it can tell.
template <class D, class Batch>
void check_reach(D const& device, Batch const& in) {
  if constexpr (checks_memory<D>)
    in.for_matrices([&]<class T>(std::string_view name, matrix_ref<T> m) {
      if (m.rows > 0) device.check_memory(m.data, alignof(T), name);
    });
}

}  // namespace detail

/// Sets a fault unless the batch's matrices fit each other and H, K >= 1, and T x K < 2^31; or if
/// `out` overlaps what is read later than `hidden`.
/// Looks at no element. O(1).
template <class Row, class Id, class Gate>
void check_shapes(announcement& a, token_batch<Row, Id, Gate> const& in, std::int64_t hidden) {
  std::int64_t const tokens = in.hidden.rows;
  std::int64_t const choices = in.ids.cols;
  if (hidden < 1 || hidden > detail::most_elements)
    a.set_fault(errc::invalid_argument, "kernel: hidden() must be from 1 to 2^53");
  if (tokens < 0) a.set_fault(errc::invalid_argument, "hidden: has a negative number of rows");
  if (choices < 1) a.set_fault(errc::invalid_argument, "ids: needs at least one column");
  constexpr std::int64_t most_rows = (std::numeric_limits<std::int32_t>::max)();
  if (choices >= 1 && tokens > most_rows / choices)
    a.set_fault(errc::invalid_argument, "T x K = " + std::to_string(tokens) + " x " +
                                            std::to_string(choices) +
                                            " rows on one rank; the limit is 2^31 - 1");
  detail::check_matrix(a, "hidden", in.hidden, tokens, hidden);
  detail::check_matrix(a, "ids", in.ids, tokens, choices);
  detail::check_matrix(a, "gates", in.gates, tokens, choices);
  detail::check_matrix(a, "out", in.out, tokens, hidden);
  detail::check_apart(a, "out", in.out, "ids", in.ids);
  detail::check_apart(a, "out", in.out, "gates", in.gates);
}

/// Sets a fault unless the gradients have the shapes of the step they are of; or if one is written
/// over what is still needed. O(1).
template <class Row, class Gate>
void check_shapes(announcement& a, gradient_batch<Row, Gate> const& in, std::int64_t tokens,
                  std::int64_t choices, std::int64_t hidden) {
  detail::check_matrix(a, "grad_out", in.grad_out, tokens, hidden);
  detail::check_matrix(a, "grad_hidden", in.grad_hidden, tokens, hidden);
  detail::check_matrix(a, "grad_gates", in.grad_gates, tokens, choices);
  detail::check_apart(a, "grad_hidden", in.grad_hidden, "gates", in.gates);
  detail::check_apart(a, "grad_hidden", in.grad_hidden, "grad_gates", in.grad_gates);
  detail::check_apart(a, "grad_gates", in.grad_gates, "grad_out", in.grad_out);
}

}  // namespace llep
