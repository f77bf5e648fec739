// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>

#include <llep/kernel/feed_forward.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// The families that have kernels. A user can't add one.
// clang-format off
template <class F>
concept family =
    (std::same_as<typename F::element, float> || std::same_as<typename F::element, double>) &&
    (std::same_as<F, linear_expert<typename F::element>> ||
     std::same_as<F, swiglu_expert<typename F::element>> ||
     std::same_as<F, gptoss_expert<typename F::element>>);
// clang-format on

/// What the family computes with is what sums over such rows are kept in.
template <class F, class Row>
concept computes_rows_of = std::same_as<typename F::element, accumulator_t<Row>>;

}  // namespace llep::cuda::detail
