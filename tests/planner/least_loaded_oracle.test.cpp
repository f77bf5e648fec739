// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <llep/planner/least_loaded.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/validate.hpp>

#include "support/naive_lla.hpp"

namespace {

using namespace llep;
using testing::seeded;
namespace naive = testing::naive;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif
#else
constexpr bool sanitized = false;
#endif

// A million in all; a hundredth where every step costs thirty times as much.
constexpr std::uint64_t problems_per_rule = sanitized ? 3'400 : 340'000;

// ---- random problems ------------------------------------------------------------------------

// A size between 1 and `most`, each power of two as likely as the next.
std::int32_t random_size(seeded& random, std::int32_t most) {
  std::int32_t const up_to = std::min(most, 1 << random.below(11));
  return random.int32(std::max(1, up_to / 2), up_to);
}

std::vector<std::int64_t> random_loads(seeded& random, std::size_t experts) {
  std::int64_t const limit = (std::int64_t{1} << 62) / static_cast<std::int64_t>(experts);
  std::int64_t const scale =
      std::min(limit, random.one_of<std::int64_t>(
                          {1, 3, 20, 500, 500, 8192, 8192, 1'000'000, 1'000'000'000'000, limit}));
  auto const kind = random.below(6);
  int const idle = random.one_of({0, 0, 20, 70, 97});
  std::vector<std::int64_t> load(experts, 0);
  for (std::size_t e = 0; e < experts; ++e) {
    if (random.chance(idle)) continue;
    if (kind < 2) load[e] = random.between(0, scale);
    if (kind == 2) load[e] = scale;  // ties
    if (kind == 3) load[e] = scale / static_cast<std::int64_t>(1 + e);
    if (kind == 4) load[e] = scale >> random.below(20);
    if (kind == 5) load[e] = scale / 50 + random.between(0, 2);
  }
  if (random.chance(30)) load[static_cast<std::size_t>(random.below(std::ssize(load)))] = scale;
  if (kind == 1 && scale == limit) {  // to the last row
    auto const total = std::accumulate(load.begin(), load.end(), std::int64_t{0});
    load.back() += std::numeric_limits<std::int64_t>::max() - total;
  }
  return load;
}

double random_alpha(seeded& random) {
  if (random.chance(50)) return random.one_of({1.0, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0});
  if (random.chance(90)) return 0.1 + 3.9 * random.real();
  return random.one_of({1e-7, 64.0, 1e6, 1e12, 1e18, 1e300});
}

std::int64_t random_chunk(seeded& random, std::int64_t mean) {
  if (random.chance(40)) return random.one_of<std::int64_t>({0, 0, 1, 2, 1024});
  if (random.chance(90)) return random.between(0, std::max<std::int64_t>(1, mean));
  return std::numeric_limits<std::int64_t>::max();
}

naive::input random_input(std::uint64_t seed, naive::rules rule) {
  seeded random(seed);
  bool const large = random.below(1000) == 0;
  naive::input in;
  in.ranks = large ? 64 : random.int32(1, random.one_of({2, 4, 8, 16}));
  auto const experts = large ? 1024 : random_size(random, 256);
  in.owner = testing::random_owners(random, experts, in.ranks);
  in.load = random_loads(random, static_cast<std::size_t>(experts));
  auto const total = std::accumulate(in.load.begin(), in.load.end(), std::int64_t{0});
  in.alpha = random_alpha(random);
  in.min_chunk_rows = random_chunk(random, total / in.ranks);
  in.rule = rule;
  in.keep_small_excess_home = random.chance(25);
  return in;
}

// ---- comparing ------------------------------------------------------------------------------

least_loaded policy_of(naive::input const& in) {
  least_loaded policy{.alpha = in.alpha, .min_chunk_rows = in.min_chunk_rows};
  policy.keep_small_excess_home = in.keep_small_excess_home;
  switch (in.rule) {
    case naive::rules::ceil:
      policy.rules = lla_rules::ceil;
      break;
    case naive::rules::paper:
      policy.rules = lla_rules::paper;
      break;
    case naive::rules::reference:
      policy.rules = lla_rules::reference;
      break;
  }
  return policy;
}

using oracle_plan = std::vector<std::vector<naive::segment>>;

// The moves that the first `count` segments of an expert ask for.
bool moves_by(std::vector<naive::segment> const& segments, std::size_t i, rank_id owner) {
  auto const same = [rank = segments[i].rank](auto const& s) { return s.rank == rank; };
  auto const first = segments.begin();
  return segments[i].rank != owner &&
         std::none_of(first, first + static_cast<std::ptrdiff_t>(i), same);
}

// Empty if the plan is the oracle's, moves included; else what differs.
std::string difference(naive::input const& in, oracle_plan const& oracle, plan const& p) {
  std::vector<std::size_t> seen(oracle.size(), 0);
  std::vector<weight_move> moves;
  for (row_span const& s : p.spans) {
    auto const& segments = oracle[static_cast<std::size_t>(s.expert)];
    auto& i = seen[static_cast<std::size_t>(s.expert)];
    auto const of = "expert " + std::to_string(s.expert) + ", span " + std::to_string(i);
    if (i == segments.size()) return of + " is one too many";
    if (segments[i] != naive::segment{s.rank, s.begin, s.end}) return of + " differs";
    auto const owner = in.owner[static_cast<std::size_t>(s.expert)];
    if (moves_by(segments, i, owner)) moves.push_back({s.expert, owner, s.rank});
    ++i;
  }
  for (std::size_t e = 0; e < oracle.size(); ++e)
    if (seen[e] != oracle[e].size()) return "expert " + std::to_string(e) + " lacks a span";
  return moves == p.moves ? "" : "the moves differ";
}

std::string broken(problem const& in, plan const& p) {
  try {
    validate(in);
    validate(in, p);
    return "";
  } catch (error const& e) {
    return e.what();
  }
}

void compare(naive::rules rule, std::uint64_t first_seed) {
  least_loaded::memory memory;
  plan p;
  for (auto seed = first_seed; seed < first_seed + problems_per_rule; ++seed) {
    auto const input = random_input(seed, rule);
    problem const in{input.ranks, input.owner, input.load, {}};
    policy_of(input).plan(in, memory, p);
    auto const differs = difference(input, naive::assign(input), p);
    auto const breaks = broken(in, p);
    if (differs.empty() && breaks.empty()) continue;
    FAIL("seed " << seed << ": E " << in.experts() << ", P " << in.ranks << ", alpha "
                 << input.alpha << ", m " << input.min_chunk_rows << ": " << differs << breaks);
  }
  SUCCEED();
}

TEST_CASE("least_loaded: rule ceil plans random problems as the oracle does",
          "[planner][least_loaded][oracle]") {
  compare(naive::rules::ceil, 1'000'000);
}

TEST_CASE("least_loaded: rule paper plans random problems as the oracle does",
          "[planner][least_loaded][oracle]") {
  compare(naive::rules::paper, 2'000'000);
}

TEST_CASE("least_loaded: rule reference plans random problems as the oracle does",
          "[planner][least_loaded][oracle]") {
  compare(naive::rules::reference, 3'000'000);
}

TEST_CASE("least_loaded: memory and plan that served other shapes change nothing",
          "[planner][least_loaded]") {
  least_loaded::memory kept;
  plan reused;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    CAPTURE(seed);
    auto const rule = static_cast<naive::rules>(seed % 3);
    auto const input = random_input(seed, rule);
    problem const in{input.ranks, input.owner, input.load, {}};
    least_loaded::memory fresh;
    plan expected;
    policy_of(input).plan(in, fresh, expected);
    policy_of(input).plan(in, kept, reused);
    REQUIRE(reused.spans == expected.spans);
    REQUIRE(reused.moves == expected.moves);
    digest a;
    digest b;
    REQUIRE(add(a, reused).value() == add(b, expected).value());
  }
}

}  // namespace
