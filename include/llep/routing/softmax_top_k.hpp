// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <llep/error.hpp>
#include <llep/routing/top_k.hpp>
#include <llep/shape.hpp>

namespace llep {

namespace detail {

// The softmax over some numbers. The greatest is taken off first, so that exp can't overflow.
struct softmax {
  double greatest;
  double sum;

  // `number(i)` is the i-th of `count`.
  template <class Number>
  static softmax over(std::int64_t count, Number number) {
    softmax all{-std::numeric_limits<double>::infinity(), 0};
    for (std::int64_t i = 0; i < count; ++i)
      if (number(i) > all.greatest) all.greatest = number(i);
    for (std::int64_t i = 0; i < count; ++i) all.sum += std::exp(number(i) - all.greatest);
    return all;
  }
  [[nodiscard]] double of(double x) const { return std::exp(x - greatest) / sum; }
};

}  // namespace detail

/// The K experts of the greatest logits, gated by a softmax p: gates[t][k] = scale p(ids[t][k]).
///
///     normalised   p over the K logits selected, so the gates of a token sum to `scale`: gpt-oss
///                  (top-k, then softmax: openai/gpt-oss, gpt_oss/torch/model.py), Mixtral (arXiv
///                  2401.04088, section 2.1), Qwen3-MoE (arXiv 2505.09388; norm_topk_prob true).
///                  The last two are often written as a softmax over all E, top-k, and a division
///                  by the sum of the K: exp(l_e) / Z over their sum, from which Z cancels, so it
///                  is the same.
///     otherwise    p over all E logits, of which the K greatest are taken as they are
///                  (norm_topk_prob false): OLMoE (arXiv 2409.02060), DeepSeek-V2-Lite (arXiv
///                  2405.04434).
///
/// T tokens, E experts, K = ids.cols; numbers are float or double, ids int32 or int64, each matrix
/// of a type of its own; they don't overlap. What is computed in between is double.
///
/// Selection is by logits: probabilities that would round to equal ones are still told apart. A
/// logit of -infinity masks an expert, as long as others are left. NaN: see top_k.hpp; +infinity,
/// or nothing but -infinity, in what p is over makes the token's gates NaN too.
struct softmax_top_k {
  bool normalised = true;  ///< whether p is over the selected; the models' norm_topk_prob
  double scale = 1;        ///< the models' routed_scaling_factor; finite

  /// @param logits [T][E]   @param ids [T][K], written: by descending logit, equals by id
  /// @param gates [T][K], written
  /// @throws llep::error (invalid_argument), and nothing was written, unless sizes and strides are
  ///         as above, 1 <= K <= E, and `scale` is finite.
  /// Cost: per token a top_k and 2 K exponentials, or E + K if not normalised. No allocation.
  template <routing_number Logit, routing_id Id, routing_number Gate>
  void forward(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> gates) const
    requires(!std::is_const_v<Id> && !std::is_const_v<Gate>)
  {
    detail::check_routing(logits, ids, gates);
    check_scale();
    for (std::int64_t t = 0; t < logits.rows; ++t) {
      Logit const* const row = logits.row(t);
      Id* const best = ids.row(t);
      top_k(row, logits.cols, best, ids.cols);
      auto const p = probabilities(row, logits.cols, best, ids.cols);
      for (std::int64_t k = 0; k < ids.cols; ++k)
        gates.row(t)[k] = static_cast<Gate>(scale * p.of(row[best[k]]));
    }
  }

  /// With d = grad_gates, and m = sum over k of p_k d_k: grad_logits of expert e is
  /// scale p_e (d_e - m), where d_e is 0 if e isn't among the ids; and 0 for those if normalised,
  /// since there p hangs on the selected alone. A token's sum to 0.
  ///
  /// @param logits [T][E], as given to forward   @param ids [T][K], as forward wrote them, or
  ///        anybody else's choice; it is held fixed
  /// @param grad_gates [T][K]   @param grad_logits [T][E], overwritten
  /// @throws llep::error (invalid_argument) as forward, and for an id outside [0, E).
  /// Cost: per token 3 K exponentials, or 2 E + 2 K if not normalised. No allocation.
  template <routing_number Logit, routing_id Id, routing_number Gate, routing_number Grad>
  void backward(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> grad_gates,
                matrix_ref<Grad> grad_logits) const
    requires(!std::is_const_v<Grad>)
  {
    detail::check_routing(logits, ids, grad_gates, grad_logits);
    check_scale();
    for (std::int64_t t = 0; t < logits.rows; ++t) {
      Logit const* const row = logits.row(t);
      auto const* const chosen = ids.row(t);
      Gate const* const d = grad_gates.row(t);
      Grad* const out = grad_logits.row(t);
      auto const p = probabilities(row, logits.cols, chosen, ids.cols);
      double mean = 0;
      for (std::int64_t k = 0; k < ids.cols; ++k) mean += p.of(row[chosen[k]]) * d[k];
      for (std::int64_t e = 0; e < logits.cols; ++e)
        out[e] = normalised ? Grad{0} : static_cast<Grad>(-scale * p.of(row[e]) * mean);
      double const base = normalised ? mean : 0;
      for (std::int64_t k = 0; k < ids.cols; ++k)
        out[chosen[k]] += static_cast<Grad>(scale * p.of(row[chosen[k]]) * (d[k] - base));
    }
  }

  friend constexpr bool operator==(softmax_top_k const&, softmax_top_k const&) = default;

 private:
  template <class Logit, class Id>
  [[nodiscard]] detail::softmax probabilities(Logit const* row, std::int64_t experts,
                                              Id const* chosen, std::int64_t choices) const {
    if (normalised)
      return detail::softmax::over(choices, [=](std::int64_t k) { return double{row[chosen[k]]}; });
    return detail::softmax::over(experts, [=](std::int64_t e) { return double{row[e]}; });
  }

  void check_scale() const { expects(std::isfinite(scale), "softmax_top_k: scale must be finite"); }
};

}  // namespace llep
