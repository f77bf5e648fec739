// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/error.hpp>
#include <llep/routing/top_k.hpp>
#include <llep/shape.hpp>

namespace llep {

/// Sigmoid scores with a group-limited top-k and a bias that balances loads without a loss of its
/// own: DeepSeek-V3 (arXiv 2412.19437, equations 12 to 16 and "node-limited routing"; the groups
/// and their top 2 as in inference/model.py of deepseek-ai/DeepSeek-V3), which is
/// `sigmoid_top_k{.groups = 8, .kept_groups = 4, .scale = 2.5}` with E = 256, K = 8. One group, the
/// default, is a top-k over all experts.
///
///     s_e  = 1 / (1 + exp(-logits[t][e]))
///     c_e  = s_e + bias[e]                      decides who is chosen, and nothing else
///     a group of E / groups experts of neighbouring ids scores the sum of its two greatest c, or
///     its one; the `kept_groups` best are kept, and the K greatest c among their experts selected
///     gates[t][k] = scale s_k / (sum over the selected of s + 1e-20), or scale s_k
///
/// T tokens, E experts, K = ids.cols; numbers are float or double, ids int32 or int64, each matrix
/// of a type of its own; they don't overlap. What is computed in between is double, so scores that
/// float would round to equal ones are still told apart. An expert of a group that isn't kept is
/// never selected, even if all that is left is negative. A bias of -infinity masks an expert.
/// Equal groups are taken in order. NaN: see top_k.hpp; a group whose sum is NaN is below the rest.
struct sigmoid_top_k {
  std::int32_t groups = 1;       ///< a divisor of E; the models' n_group
  std::int32_t kept_groups = 1;  ///< from 1 to `groups`; the models' topk_group
  bool normalised = true;        ///< whether gates are divided by their sum; norm_topk_prob
  double scale = 1;              ///< the models' routed_scaling_factor; finite

  /// @param logits [T][E]   @param bias [E] (the models' e_score_correction_bias), or empty: none
  /// @param ids [T][K], written: by descending c, equals by id   @param gates [T][K], written
  /// @throws llep::error (invalid_argument), and nothing was written, unless sizes and strides are
  ///         as above, the fields as stated, and 1 <= K <= kept_groups x E / groups.
  /// Cost: per token E + 2 K exponentials and three passes over E scores. Allocates a good 8 E
  /// bytes a call, however many tokens there are.
  template <routing_number Logit, routing_id Id, routing_number Gate>
  void forward(matrix_ref<Logit> logits,
               std::type_identity_t<std::span<std::remove_const_t<Logit> const>> bias,
               matrix_ref<Id> ids, matrix_ref<Gate> gates) const
    requires(!std::is_const_v<Id> && !std::is_const_v<Gate>)
  {
    detail::check_routing(logits, ids, gates);
    check_policy(logits.cols, ids.cols);
    expects(bias.empty() || static_cast<std::int64_t>(bias.size()) == logits.cols,
            "sigmoid_top_k: bias must be empty or have one entry per expert");
    scratch s(logits.cols, groups, kept_groups);
    for (std::int64_t t = 0; t < logits.rows; ++t) {
      Logit const* const row = logits.row(t);
      Id* const best = ids.row(t);
      for (std::size_t e = 0; e < s.scores.size(); ++e)
        s.scores[e] = sigmoid(row[e]) + (bias.empty() ? 0.0 : double{bias[e]});
      select(s, best, ids.cols);
      double const sum = divisor(row, best, ids.cols);
      for (std::int64_t k = 0; k < ids.cols; ++k)
        gates.row(t)[k] = static_cast<Gate>(scale * sigmoid(row[best[k]]) / sum);
    }
  }

  /// With d = grad_gates, D the divisor of the gates (1 if not normalised), and m = sum over k of
  /// d_k s_k / D (0 if not normalised): grad_logits of a selected expert is
  /// scale / D (d_e - m) s_e (1 - s_e), of any other 0. The bias gets no gradient.
  ///
  /// @param logits [T][E], as given to forward   @param ids [T][K], as forward wrote them, or
  ///        anybody else's choice, of any groups; it is held fixed
  /// @param grad_gates [T][K]   @param grad_logits [T][E], overwritten
  /// @throws llep::error (invalid_argument) as forward, and for an id outside [0, E).
  /// Cost: per token 4 K exponentials. No allocation.
  template <routing_number Logit, routing_id Id, routing_number Gate, routing_number Grad>
  void backward(matrix_ref<Logit> logits, matrix_ref<Id> ids, matrix_ref<Gate> grad_gates,
                matrix_ref<Grad> grad_logits) const
    requires(!std::is_const_v<Grad>)
  {
    detail::check_routing(logits, ids, grad_gates, grad_logits);
    check_policy(logits.cols, ids.cols);
    for (std::int64_t t = 0; t < logits.rows; ++t) {
      Logit const* const row = logits.row(t);
      auto const* const chosen = ids.row(t);
      Gate const* const d = grad_gates.row(t);
      Grad* const out = grad_logits.row(t);
      double const sum = divisor(row, chosen, ids.cols);
      double mean = 0;
      for (std::int64_t k = 0; k < ids.cols && normalised; ++k)
        mean += sigmoid(row[chosen[k]]) / sum * d[k];
      std::fill_n(out, logits.cols, Grad{0});
      for (std::int64_t k = 0; k < ids.cols; ++k) {
        double const x = row[chosen[k]];
        double const slope = sigmoid(x) * sigmoid(-x);  // 1 - sigmoid(x) would lose the digits
        out[chosen[k]] += static_cast<Grad>(scale * (d[k] - mean) * slope / sum);
      }
    }
  }

  friend constexpr bool operator==(sigmoid_top_k const&, sigmoid_top_k const&) = default;

 private:
  // What a call allocates, once for all of its tokens.
  struct scratch {
    std::vector<double> scores;        // [E]: c
    std::vector<double> group_scores;  // [groups]
    std::vector<std::int32_t> kept;    // [kept_groups]

    scratch(std::int64_t experts, std::int32_t of, std::int32_t keep)
        : scores(static_cast<std::size_t>(experts)),
          group_scores(static_cast<std::size_t>(of)),
          kept(static_cast<std::size_t>(keep)) {}
  };

  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

  static double sum_of_best_two(double const* scores, std::int64_t n) {
    double first = std::numeric_limits<double>::quiet_NaN();
    double second = first;
    for (std::int64_t i = 0; i < n; ++i) {
      if (detail::outranks(scores[i], first))
        second = std::exchange(first, scores[i]);
      else if (detail::outranks(scores[i], second))
        second = scores[i];
    }
    return n == 1 ? first : first + second;
  }

  template <class Id>
  void select(scratch& s, Id* best, std::int64_t choices) const {
    auto const each = static_cast<std::int64_t>(s.scores.size()) / groups;
    for (std::int32_t g = 0; g < groups; ++g)
      s.group_scores[static_cast<std::size_t>(g)] =
          sum_of_best_two(s.scores.data() + g * each, each);
    top_k(s.group_scores.data(), groups, s.kept.data(), kept_groups);
    std::sort(s.kept.begin(), s.kept.end());  // ids must be offered in ascending order
    std::int64_t held = 0;
    for (std::int64_t const g : s.kept)
      for (std::int64_t e = g * each; e < (g + 1) * each; ++e)
        detail::offer(static_cast<Id>(e), s.scores.data(), best, held, choices);
  }

  // What the selected experts' scores are divided by. The 1e-20 is the models', for scores so low
  // that their sum is 0.
  template <class Logit, class Id>
  [[nodiscard]] double divisor(Logit const* row, Id const* chosen, std::int64_t choices) const {
    if (!normalised) return 1;
    double sum = 0;
    for (std::int64_t k = 0; k < choices; ++k) sum += sigmoid(row[chosen[k]]);
    return sum + 1e-20;
  }

  void check_policy(std::int64_t experts, std::int64_t choices) const {
    expects(groups >= 1 && experts % groups == 0, "sigmoid_top_k: groups must divide E");
    expects(kept_groups >= 1 && kept_groups <= groups,
            "sigmoid_top_k: kept_groups must be from 1 to groups");
    expects(choices <= experts / groups * kept_groups,
            "sigmoid_top_k: K must be at most the number of experts in the kept groups");
    expects(std::isfinite(scale), "sigmoid_top_k: scale must be finite");
  }
};

}  // namespace llep
