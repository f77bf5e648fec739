// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include <llep/concepts/imbalance_test.hpp>
#include <llep/digest.hpp>
#include <llep/imbalance/threshold.hpp>

namespace llep {

/// Uneven when the busiest rank holds at least `threshold` times the mean, with every expert at its
/// owner: what costs time under standard EP. The default test. O(P).
struct per_rank {
  using imbalance_test_concept = imbalance_test_tag;

  imbalance_threshold threshold{};

  [[nodiscard]] bool operator()(std::span<row_count const> rank_loads,
                                std::span<row_count const> /*expert_loads*/) const {
    return threshold.reached_by(rank_loads);
  }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("per_rank").add(threshold.milli()).value();
  }
  friend constexpr bool operator==(per_rank const&, per_rank const&) = default;
};
static_assert(imbalance_test<per_rank>);

/// Uneven when the busiest expert has at least `threshold` times the mean, as the paper's Alg. 4
/// writes it. O(E).
struct per_expert {
  using imbalance_test_concept = imbalance_test_tag;

  imbalance_threshold threshold{};

  [[nodiscard]] bool operator()(std::span<row_count const> /*rank_loads*/,
                                std::span<row_count const> expert_loads) const {
    return threshold.reached_by(expert_loads);
  }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("per_expert").add(threshold.milli()).value();
  }
  friend constexpr bool operator==(per_expert const&, per_expert const&) = default;
};
static_assert(imbalance_test<per_expert>);

}  // namespace llep
