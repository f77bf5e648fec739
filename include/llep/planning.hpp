// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <llep/agreement.hpp>
#include <llep/checks/levels.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/row_order/validate.hpp>
#include <llep/schedule.hpp>
#include <llep/validate.hpp>

namespace llep {

/// From loads to a schedule: planner, row order, and the checks of what they make.
template <planner P, row_order R, checks Checks>
class planning {
 public:
  /// Ranks agree once more after planning, on the plan's digest.
  static constexpr bool always_confirms = Checks::gathers_digest;

  planning(P policy, R order) : policy_(std::move(policy)), order_(std::move(order)) {}

  /// Tells what ranks must agree on. Throws what the policies' digests throw.
  void introduce(announcement& a) const {
    a.planner = policy_.digest();
    a.row_order = order_.digest();
    a.memory = policy_.digest(memory_);
    a.checks = digest()
                   .add(Checks::validates_plan)
                   .add(Checks::compares_plans)
                   .add(Checks::validates_pieces)
                   .add(Checks::gathers_digest)
                   .value();
    a.plan = digest_;
  }
  /// Of the last plan, or 0 with checks off.
  [[nodiscard]] std::uint64_t fingerprint() const { return digest_; }
  /// A plan that differed is told once.
  void forgive() { digest_ = 0; }

  void decide(problem const& in, rank_id me) {
    policy_.plan(in, memory_, plan_);
    if constexpr (Checks::validates_plan) check_plan_(in, plan_);
    order_.arrange(in, plan_, order_memory_, pieces_);
    if constexpr (Checks::validates_pieces) check_pieces_(in, plan_, pieces_);
    if constexpr (Checks::compares_plans || Checks::gathers_digest) {
      llep::digest sum;
      add(sum, plan_);
      for (piece const& a : pieces_)
        sum.add(a.expert).add(a.src).add(a.dst).add(a.begin).add(a.rows);
      digest_ = sum.value();
    }
    steps_.build(in, plan_, pieces_, me);
    decided_ = true;
  }

  /// Of the last decision.
  [[nodiscard]] bool decided() const { return decided_; }
  [[nodiscard]] plan const& made() const { return plan_; }
  [[nodiscard]] schedule const& steps() const { return steps_; }

 private:
  [[no_unique_address]] P policy_;
  [[no_unique_address]] R order_;
  typename P::memory memory_{};
  typename R::memory order_memory_{};
  plan_validator check_plan_;
  piece_validator check_pieces_;
  plan plan_;
  std::vector<piece> pieces_;
  schedule steps_;
  bool decided_ = false;
  std::uint64_t digest_ = 0;  // of the last plan, unless checks are off
};

}  // namespace llep
