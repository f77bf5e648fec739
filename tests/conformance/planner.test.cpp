// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/planner.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cstdint>

#include <llep/imbalance/tests.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>

namespace {

using namespace llep;
using namespace llep::testing;

template <class Policy>
void check_planners(Policy const& policy) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) CHECK_NOTHROW(check_planner(policy, seed));
}

TEST_CASE("conformance: all planners keep their promises", "[conformance][planner]") {
  check_planners(standard_ep{});
  for (auto const rules : {lla_rules::ceil, lla_rules::paper, lla_rules::reference})
    for (double const alpha : {0.3, 1.0, 1.5})
      for (row_count const m : {0, 1, 10, 1024})
        for (bool const keep : {false, true}) check_planners(least_loaded{alpha, m, rules, keep});
  check_planners(fallback<least_loaded>{});
  check_planners(fallback<least_loaded, per_expert, least_loaded>{{}, {1.5}, {2.0, 1}});
  check_planners(fallback<fallback<least_loaded, per_expert>>{});
}

TEMPLATE_TEST_CASE("conformance: row orders keep their promises", "[conformance][row_order]",
                   global_order, local_first) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) CHECK_NOTHROW(check_row_order(TestType{}, seed));
}

TEMPLATE_TEST_CASE("conformance: imbalance tests keep their promises", "[conformance][imbalance]",
                   per_rank, per_expert) {
  for (double const lambda : {1.0, 1.3, 1e9})
    for (std::uint64_t seed = 0; seed < 50; ++seed)
      CHECK_NOTHROW(check_imbalance_test(TestType{lambda}, seed));
}

}  // namespace
