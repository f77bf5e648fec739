// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>

#include <llep/error.hpp>
#include <llep/imbalance/tests.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>

namespace llep::cuda {

/// A policy as the planning kernel takes it: integers.
struct plan_settings {
  enum class judged : std::int32_t { always, ranks, experts };

  bool lends = false;  ///< least-loaded assignment where loads are uneven; else standard EP
  bool keep_small_excess_home = false;
  bool round_down = false;  ///< lla_rules::paper
  judged uneven = judged::always;
  std::int64_t alpha_millionths = 0;
  row_count min_chunk_rows = 0;
  std::int64_t threshold_milli = 0;
};

[[nodiscard]] inline plan_settings settings_of(standard_ep const& /*none*/) { return {}; }

/// @throws llep::error (invalid_argument) for lla_rules::reference, which plans in doubles.
[[nodiscard]] inline plan_settings settings_of(least_loaded const& policy) {
  expects(policy.rules != lla_rules::reference,
          "cuda: a device plans by the rules `ceil` and `paper`, not by `reference`");
  plan_settings all;
  all.lends = true;
  all.keep_small_excess_home = policy.keep_small_excess_home;
  all.round_down = policy.rules == lla_rules::paper;
  all.alpha_millionths = policy.alpha.millionths();
  all.min_chunk_rows = policy.min_chunk_rows.value();
  return all;
}

template <class Test>
  requires(std::same_as<Test, per_rank> || std::same_as<Test, per_expert>)
[[nodiscard]] plan_settings settings_of(fallback<least_loaded, Test, standard_ep> const& policy) {
  plan_settings all = settings_of(policy.primary);
  constexpr bool by_rank = std::same_as<Test, per_rank>;
  all.uneven = by_rank ? plan_settings::judged::ranks : plan_settings::judged::experts;
  all.threshold_milli = policy.uneven.threshold.milli();
  return all;
}

/// Planners that have a kernel: standard_ep, least_loaded, and a fallback from it to standard_ep.
template <class P>
concept device_planner = planner<P> && requires(P const& policy) {
  { settings_of(policy) } -> std::same_as<plan_settings>;
};
static_assert(device_planner<standard_ep>);
static_assert(device_planner<least_loaded>);
static_assert(device_planner<fallback<least_loaded, per_expert>>);

}  // namespace llep::cuda
