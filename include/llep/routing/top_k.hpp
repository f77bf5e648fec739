// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

// A router turns a token's E logits into K experts and their gate weights. Which one is the user's
// choice, and nothing else of this library looks at logits; the headers of this folder are the
// usual ones, on the host, one token after another.
//
// All of them are deterministic: experts of equal score are taken in the order of their ids. A NaN
// is never hidden: it scores below everything, -infinity too, and makes NaN of every gate that its
// formula has it in.

/// What logits, gates and their gradients may be.
template <class T>
concept routing_number =
    std::same_as<std::remove_const_t<T>, float> || std::same_as<std::remove_const_t<T>, double>;

/// What expert ids may be.
template <class T>
concept routing_id = std::same_as<std::remove_const_t<T>, std::int32_t> ||
                     std::same_as<std::remove_const_t<T>, std::int64_t>;

namespace detail {

// A strict weak order although there are NaNs: all of them are equal, and below the rest.
template <class Score>
constexpr bool outranks(Score a, Score b) {
  return a > b || (b != b && a == a);
}

// Offers `id` to the best, of which `best` holds `held` so far, in descending order, and may hold
// `room`. Ids must be offered in ascending order, so that the lower one of two equals is ahead.
template <class Score, class Id>
constexpr void offer(Id id, Score const* scores, Id* best, std::int64_t& held, std::int64_t room) {
  if (held == room && !outranks(scores[id], scores[best[room - 1]])) return;
  std::int64_t place = held < room ? held++ : room - 1;
  for (; place > 0 && outranks(scores[id], scores[best[place - 1]]); --place)
    best[place] = best[place - 1];
  best[place] = id;
}

template <class T>
constexpr bool has_shape(matrix_ref<T> m, std::int64_t rows, std::int64_t cols) {
  return m.rows == rows && m.cols == cols && m.stride >= cols && (m.data != nullptr || rows == 0);
}

// `gates` are the gates or their gradient.
template <class Logit, class Id, class Gate>
constexpr void check_routing(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> gates) {
  constexpr std::int64_t most = (std::numeric_limits<expert_id>::max)();
  expects(logits.rows >= 0 && logits.cols >= 1 && logits.cols <= most,
          "routing: logits must have 0 rows or more, and from 1 to 2^31 - 1 columns");
  expects(has_shape(logits, logits.rows, logits.cols),
          "routing: logits needs data, and a stride of at least E");
  expects(ids.cols >= 1 && ids.cols <= logits.cols,
          "routing: K, the columns of ids, must be from 1 to E, the columns of logits");
  expects(has_shape(ids, logits.rows, ids.cols),
          "routing: ids must be T x K, with data and a stride of at least K");
  expects(has_shape(gates, logits.rows, ids.cols),
          "routing: gates and their gradient must be T x K, with data and a stride of at least K");
}

template <class Logit, class Id, class Gate, class Grad>
constexpr void check_routing(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> gates,
                             matrix_ref<Grad> grad_logits) {
  check_routing(logits, ids, gates);
  expects(has_shape(grad_logits, logits.rows, logits.cols),
          "routing: grad_logits must be T x E, with data and a stride of at least E");
  for (std::int64_t t = 0; t < ids.rows; ++t)
    for (std::int64_t k = 0; k < ids.cols; ++k)
      expects(ids.row(t)[k] >= 0 && ids.row(t)[k] < logits.cols, "routing: ids must be in [0, E)");
}

}  // namespace detail

/// The ids of the `k` greatest of `n` scores, in descending order; equals in the order of their
/// ids, NaNs after all others.
///
/// @param scores [n]   @param best [k], overwritten
/// @throws llep::error (invalid_argument) unless 1 <= k <= n, and n - 1 is an Id.
/// Cost: a comparison per score, and up to k more for each that is among the best so far.
template <routing_number Score, routing_id Id>
constexpr void top_k(Score const* scores, std::int64_t n, Id* best, std::int64_t k) {
  expects(k >= 1 && k <= n && n - 1 <= (std::numeric_limits<Id>::max)(),
          "top_k: k must be from 1 to n, and every position an Id");
  std::int64_t held = 0;
  for (std::int64_t i = 0; i < n; ++i) detail::offer(static_cast<Id>(i), scores, best, held, k);
}

}  // namespace llep
