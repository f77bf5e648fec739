// SPDX-License-Identifier: Apache-2.0
#include <llep/planner/fallback.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include <llep/planner/least_loaded.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/validate.hpp>

namespace {

using namespace llep;
using testing::sample_problem;

// A planner that can be told from another, and remembers how often it was asked.
template <bool NeedsCounts>
struct marked {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = NeedsCounts;
  struct memory {
    std::int64_t calls = 0;
  };

  std::int64_t mark = 0;

  void plan(problem const& in, memory& kept, llep::plan& out) const {
    ++kept.calls;
    standard_ep::memory none;
    standard_ep{}.plan(in, none, out);
  }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("marked").add(mark).value(); }
  [[nodiscard]] std::uint64_t digest(memory const& kept) const {
    return static_cast<std::uint64_t>(kept.calls);
  }
  friend constexpr bool operator==(marked const&, marked const&) = default;
};

using plain = marked<false>;
using counted = marked<true>;
static_assert(planner<fallback<plain, per_expert, counted>>);
static_assert(planner<fallback<fallback<least_loaded>, per_expert, fallback<plain>>>);

sample_problem four_experts(std::vector<row_count> load) {
  return {2, {0, 0, 1, 1}, std::move(load), {}};
}

template <class Policy>
plan planned(Policy const& policy, typename Policy::memory& memory, sample_problem const& in) {
  plan out;
  policy.plan(in.view(), memory, out);
  validate(in.view(), out);
  return out;
}

TEST_CASE("standard_ep: every row is computed by its expert's owner", "[planner][standard_ep]") {
  standard_ep::memory none;
  auto const p = planned(standard_ep{}, none, {3, {2, 0, 2, 0}, {5, 0, 7, 1}, {}});
  CHECK(p.spans == std::vector<row_span>{{0, 2, 0, 5}, {2, 2, 0, 7}, {3, 0, 0, 1}});
  CHECK(p.moves.empty());
}

TEST_CASE("fallback: even loads go to the one planner, uneven ones to the other",
          "[planner][fallback]") {
  fallback<plain, per_rank, counted> const policy{.uneven = {1.5}};
  decltype(policy)::memory memory;
  planned(policy, memory, four_experts({7, 0, 2, 3}));  // 7 of a mean of 6
  CHECK(memory.primary.calls == 0);
  CHECK(memory.otherwise.calls == 1);
  planned(policy, memory, four_experts({9, 0, 3, 0}));  // exactly 1.5
  CHECK(memory.primary.calls == 1);
  planned(policy, memory, four_experts({0, 0, 0, 0}));
  CHECK(memory.primary.calls == 1);
  CHECK(memory.otherwise.calls == 2);
}

TEST_CASE("fallback: ranks are judged with every expert at its owner, experts one by one",
          "[planner][fallback]") {
  // rank 0 owns two busy experts of rank loads {12, 0}; no expert has more than twice the mean
  auto const in = four_experts({6, 6, 0, 0});
  fallback<plain, per_rank, plain> by_rank{.uneven = {1.9}};
  fallback<plain, per_expert, plain> by_expert{.uneven = {2.1}};
  decltype(by_rank)::memory of_ranks;
  decltype(by_expert)::memory of_experts;
  planned(by_rank, of_ranks, in);
  planned(by_expert, of_experts, in);
  CHECK(of_ranks.primary.calls == 1);
  CHECK(of_experts.primary.calls == 0);
  // now an expert has three times the mean, and the ranks are even
  planned(by_rank, of_ranks, four_experts({0, 6, 2, 4}));
  planned(by_expert, of_experts, four_experts({0, 9, 1, 2}));
  CHECK(of_ranks.primary.calls == 1);
  CHECK(of_experts.primary.calls == 1);
}

TEST_CASE("fallback: uneven and non-contiguous owners count for their own rank",
          "[planner][fallback]") {
  fallback<plain, per_rank, plain> const policy{.uneven = {1.2}};
  decltype(policy)::memory memory;
  planned(policy, memory, {3, {2, 0, 1, 2, 0}, {4, 5, 10, 6, 5}, {}});  // 10 each
  CHECK(memory.primary.calls == 0);
  planned(policy, memory, {3, {2, 2, 1, 0, 2}, {4, 5, 10, 6, 5}, {}});  // 6, 10, 14
  CHECK(memory.primary.calls == 1);
}

TEST_CASE("fallback: plans what the planner it chose plans", "[planner][fallback]") {
  least_loaded const primary{.min_chunk_rows = 1};
  fallback<least_loaded> const policy{.primary = primary};
  fallback<least_loaded>::memory memory;  // one for problems of all shapes
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    testing::seeded random(seed);
    auto const in = testing::random_counted(random, random.int32(1, 6), random.int32(1, 12), 9);
    least_loaded::memory of_primary;
    standard_ep::memory none;
    std::vector<row_count> loads(static_cast<std::size_t>(in.ranks), 0);
    for (std::size_t e = 0; e < in.load.size(); ++e)
      loads[static_cast<std::size_t>(in.owner[e])] += in.load[e];
    auto const expected = per_rank{}(loads, in.load) ? planned(primary, of_primary, in)
                                                     : planned(standard_ep{}, none, in);
    auto const got = planned(policy, memory, in);
    REQUIRE(got.spans == expected.spans);
    REQUIRE(got.moves == expected.moves);
  }
}

TEST_CASE("fallback: nests", "[planner][fallback]") {
  // per expert at least 3: the first; else per rank at least 1.5: the second; else the third
  using inner = fallback<plain, per_rank, plain>;
  fallback<plain, per_expert, inner> const policy{
      .primary = {1}, .uneven = {3.0}, .otherwise = {.primary = {2}, .uneven = {1.5}}};
  decltype(policy)::memory memory;
  planned(policy, memory, four_experts({9, 1, 1, 1}));
  CHECK(memory.primary.calls == 1);
  planned(policy, memory, four_experts({5, 5, 1, 1}));
  CHECK(memory.otherwise.primary.calls == 1);
  planned(policy, memory, four_experts({3, 3, 3, 3}));
  CHECK(memory.otherwise.otherwise.calls == 1);
  CHECK(memory.primary.calls == 1);
  CHECK(memory.otherwise.primary.calls == 1);
}

TEST_CASE("fallback: needs counts as soon as one of its planners does", "[planner][fallback]") {
  STATIC_REQUIRE_FALSE(fallback<plain, per_rank, plain>::needs_counts);
  STATIC_REQUIRE(fallback<counted, per_rank, plain>::needs_counts);
  STATIC_REQUIRE(fallback<plain, per_rank, counted>::needs_counts);
  STATIC_REQUIRE(fallback<plain, per_rank, fallback<plain, per_rank, counted>>::needs_counts);
}

TEST_CASE("fallback: its digests cover both planners, the test and both histories",
          "[planner][fallback][digest]") {
  using policy = fallback<plain, per_rank, plain>;
  policy const base{{1}, {1.3}, {2}};
  std::set<std::uint64_t> const digests{
      base.digest(),
      policy{{3}, {1.3}, {2}}.digest(),
      policy{{1}, {1.4}, {2}}.digest(),
      policy{{1}, {1.3}, {3}}.digest(),
      policy{{2}, {1.3}, {1}}.digest(),
      fallback<plain, per_expert, plain>{{1}, {1.3}, {2}}.digest(),
      plain{1}.digest(),
  };
  CHECK(digests.size() == 7);
  CHECK(base.digest() == policy{{1}, {1.3}, {2}}.digest());

  policy::memory asked_first;
  policy::memory asked_second;
  asked_first.primary.calls = 1;
  asked_second.otherwise.calls = 1;
  auto const fresh = base.digest(policy::memory{});
  CHECK(base.digest(asked_first) != fresh);
  CHECK(base.digest(asked_second) != fresh);
  CHECK(base.digest(asked_first) != base.digest(asked_second));
}

}  // namespace
