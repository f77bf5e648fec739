// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <llep/dispatcher.hpp>

#include "support/allocations.hpp"
#include "support/random_layer.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;

random_layer<float> layer_with(std::vector<std::int64_t> tokens, std::uint64_t seed) {
  random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 12;
  layer.choices = 3;
  layer.tokens = std::move(tokens);
  layer.owner = contiguous_owners(12, 4);
  std::mt19937_64 random(seed);
  fill(layer, random);
  return layer;
}

/// Steps of `first`, then counted steps of `first` and `then`, in turns.
template <placement Placement, class Order, class Policy, class Checks>
std::int64_t allocations_in(random_layer<float> const& first, random_layer<float> const& then,
                            Policy const& policy, emulated::options const& how) {
  std::vector<float> out(std::max(first.x.size(), then.x.size()));
  allocations = 0;
  emulated::run<Placement>(
      4,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        host_device::queue q;
        swiglu_loops<float> one({first.hidden, first.inner}, first.native(group.rank()));
        swiglu_loops<float> two({then.hidden, then.inner}, then.native(group.rank()));
        dispatcher<Policy, group_type, swiglu_loops<float>, Order, Checks> moe(q, group,
                                                                               first.owner, policy);
        std::int64_t word = 0;
        std::int64_t all[4] = {};
        for (int i = 0; i < 2; ++i) step(first, group.rank(), moe, q, one, out);
        group.all_gather(q, &word, all, 1);  // nobody is in a first step any more
        watching = true;
        for (int i = 0; i < 10; ++i) {
          step(first, group.rank(), moe, q, one, out);
          step(then, group.rank(), moe, q, two, out);
        }
        group.all_gather(q, &word, all, 1);
        watching = false;
      },
      how);
  return allocations;
}

template <placement Placement, class Order, class Policy, class Checks = checks_cheap>
void check_steady(Policy const& policy) {
  auto const first = layer_with({20, 0, 31, 17}, 5);
  auto smaller = layer_with({9, 0, 12, 1}, 5);
  smaller.weights = first.weights;
  // the smaller step's tokens are the first ones of the larger: no list is longer than before
  smaller.x.clear();
  smaller.ids.clear();
  smaller.gates.clear();
  for (rank_id r = 0; r < 4; ++r) {
    auto const from = first.first_token(r);
    auto const n = smaller.tokens[at(r)];
    auto const take = [&](auto& to, auto const& all, std::int64_t each) {
      to.insert(to.end(), all.begin() + from * each, all.begin() + (from + n) * each);
    };
    take(smaller.x, first.x, first.hidden);
    take(smaller.ids, first.ids, first.choices);
    take(smaller.gates, first.gates, first.choices);
  }
  CHECK(allocations_in<Placement, Order, Policy, Checks>(first, first, policy,
                                                         {emulated::scheduling::concurrent}) == 0);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    CHECK(allocations_in<Placement, Order, Policy, Checks>(
              first, first, policy, {emulated::scheduling::turns, seed}) == 0);
    CHECK(allocations_in<Placement, Order, standard_ep, Checks>(
              first, smaller, {}, {emulated::scheduling::turns, seed}) == 0);
  }
}

TEST_CASE("steady state: further steps of the same or smaller size allocate nothing",
          "[dispatcher]") {
  least_loaded const policy{1.0, 1};
  check_steady<placement::segments, global_order>(policy);
  check_steady<placement::packed, global_order>(policy);
  check_steady<placement::segments, local_first>(fallback<least_loaded>{policy});
  check_steady<placement::packed, local_first>(least_loaded{1.0, 1, lla_rules::reference});
  check_steady<placement::packed, global_order, least_loaded, checks_collective>(policy);
  check_steady<placement::segments, global_order, least_loaded, checks_off>(policy);
}

TEST_CASE("steady state: the count counts", "[dispatcher]") {
  allocations = 0;
  watching = true;
  std::vector<int> const some(3);
  watching = false;
  CHECK(some.size() == 3);
  CHECK(allocations == 1);
}

}  // namespace
