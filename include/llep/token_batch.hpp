// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <llep/agreement.hpp>
#include <llep/shape.hpp>

namespace llep {

/// A rank's tokens in one step: T x H in and out, T x K expert ids and gate weights.
template <class Row, class Id, class Gate>
struct token_batch {
  matrix_ref<Row const> hidden;
  matrix_ref<Id const> ids;
  matrix_ref<Gate const> gates;
  matrix_ref<Row> out;
};

/// A rank's part of a step on its way back: gradients by out, and by hidden and gates.
template <class Row, class Gate>
struct gradient_batch {
  matrix_ref<Row const> grad_out;
  matrix_ref<Gate const> gates;
  matrix_ref<Row> grad_hidden;
  matrix_ref<Gate> grad_gates;
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

}  // namespace detail

/// Sets a fault unless the batch's matrices fit each other and H, K >= 1, and T x K < 2^31.
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
}

/// Sets a fault unless the gradients have the shapes of the step they are of. O(1).
template <class Row, class Gate>
void check_shapes(announcement& a, gradient_batch<Row, Gate> const& in, std::int64_t tokens,
                  std::int64_t choices, std::int64_t hidden) {
  detail::check_matrix(a, "grad_out", in.grad_out, tokens, hidden);
  detail::check_matrix(a, "grad_hidden", in.grad_hidden, tokens, hidden);
  detail::check_matrix(a, "grad_gates", in.grad_gates, tokens, choices);
}

}  // namespace llep
