// SPDX-License-Identifier: Apache-2.0
#include <llep/validate.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_predicate.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <llep/plan.hpp>
#include <llep/testing/sample_problem.hpp>

namespace {

using namespace llep;
using testing::sample_problem;
using testing::seeded;

auto says(errc code, std::string const& words) {
  return Catch::Matchers::Predicate<error>(
      [=](error const& e) {
        return e.code() == code && std::string(e.what()).find(words) != std::string::npos;
      },
      "says \"" + words + '"');
}

// ---- problems -------------------------------------------------------------------------------

sample_problem good_problem() {
  return {2, {0, 1, 0}, {5, 0, 3}, {2, 0, 0, 3, 0, 3}};  // counts: rank 0's row, then rank 1's
}

struct problem_fault {
  char const* words;
  std::function<void(sample_problem&)> make;
};

TEST_CASE("problem: every rule is checked, and a breach is an invalid argument",
          "[plan][problem]") {
  row_count const most = std::numeric_limits<row_count>::max();
  std::vector<problem_fault> const faults{
      {"at least one rank", [](auto& in) { in.ranks = 0; }},
      {"at least one rank", [](auto& in) { in.ranks = -1; }},
      {"at least one expert", [](auto& in) { in.load.clear(), in.owner.clear(); }},
      {"one owner and one load per expert", [](auto& in) { in.owner.pop_back(); }},
      {"one owner and one load per expert", [](auto& in) { in.owner.push_back(0); }},
      {"owner is not a rank", [](auto& in) { in.owner[2] = 2; }},
      {"owner is not a rank", [](auto& in) { in.owner[1] = -1; }},
      {"load is negative", [](auto& in) { in.load[1] = -1; }},
      {"2^63 - 1", [=](auto& in) { in.load[2] = most - 4; }},
      {"2^63 - 1", [=](auto& in) { in.load = {most, most, most}; }},
      {"one count per rank and expert", [](auto& in) { in.counts.pop_back(); }},
      {"one count per rank and expert", [](auto& in) { in.counts.resize(3); }},
      {"add up to the loads", [](auto& in) { ++in.counts[0]; }},
      {"add up to the loads", [](auto& in) { --in.counts[5]; }},
      {"add up to the loads", [](auto& in) { in.counts[0] = -1, in.counts[3] = 6; }},
      {"add up to the loads", [](auto& in) { in.counts[0] = 6, in.counts[3] = -1; }},
      {"add up to the loads", [=](auto& in) { in.counts[0] = most, in.counts[3] = most; }},
      {"add up to the loads", [](auto& in) { std::swap(in.counts[0], in.counts[1]); }},
  };
  CHECK_NOTHROW(validate(good_problem().view()));
  for (std::size_t i = 0; i < faults.size(); ++i) {
    CAPTURE(i);
    auto in = good_problem();
    faults[i].make(in);
    CHECK_THROWS_MATCHES(validate(in.view()), error, says(errc::invalid_argument, faults[i].words));
  }
}

TEST_CASE("problem: counts are optional, and a total of 2^63 - 1 is legal", "[plan][problem]") {
  row_count const most = std::numeric_limits<row_count>::max();
  auto in = good_problem();
  in.counts.clear();
  CHECK_NOTHROW(validate(in.view()));
  CHECK_NOTHROW(validate(sample_problem{1, {0, 0}, {most - 1, 1}, {}}.view()));
  CHECK_NOTHROW(validate(sample_problem{3, {2}, {most}, {1, most - 1, 0}}.view()));
}

// ---- plan::give -----------------------------------------------------------------------------

TEST_CASE("give: neighbours on one rank join, others don't", "[plan]") {
  sample_problem const in{3, {0, 1}, {10, 4}, {}};
  plan p;
  p.start(in.view());
  p.give(in.view(), 0, 0, 3);
  p.give(in.view(), 0, 0, 2);
  p.give(in.view(), 0, 1, 1);
  p.give(in.view(), 0, 1, 1);
  p.give(in.view(), 0, 0, 3);
  p.give(in.view(), 1, 0, 4);  // the rank before, but another expert
  CHECK(p.spans == std::vector<row_span>{{0, 0, 0, 5}, {0, 1, 5, 7}, {0, 0, 7, 10}, {1, 0, 0, 4}});
  CHECK(p.moves == std::vector<weight_move>{{0, 0, 1}, {1, 1, 0}});
  CHECK_NOTHROW(validate(in.view(), p));
}

TEST_CASE("give: weights move once to a rank that comes twice", "[plan]") {
  sample_problem const in{3, {0, 0}, {8, 2}, {}};
  plan p;
  for (int time = 0; time < 2; ++time) {  // a plan that is started anew owes nothing to the old one
    CAPTURE(time);
    p.start(in.view());
    p.give(in.view(), 0, 2, 1);
    p.give(in.view(), 0, 1, 1);
    p.give(in.view(), 0, 2, 2);
    p.give(in.view(), 0, 0, 3);
    p.give(in.view(), 0, 1, 1);
    p.give(in.view(), 1, 2, 2);
    CHECK(p.spans.size() == 6);
    CHECK(p.moves == std::vector<weight_move>{{0, 0, 2}, {0, 0, 1}, {1, 0, 2}});
    CHECK_NOTHROW(validate(in.view(), p));
  }
}

// ---- plans ----------------------------------------------------------------------------------

sample_problem four_ranks() { return {4, {0, 0, 1, 2, 3}, {10, 0, 6, 3, 4}, {}}; }

plan good_plan() {
  auto const in = four_ranks();
  plan p;
  p.start(in.view());
  for (auto const& [rank, rows] : {std::pair{0, 4}, {2, 2}, {1, 2}, {2, 2}})
    p.give(in.view(), 0, rank, rows);
  p.give(in.view(), 2, 1, 6);
  p.give(in.view(), 4, 3, 2);
  p.give(in.view(), 4, 0, 2);
  p.give(in.view(), 3, 2, 3);
  return p;
}

struct plan_fault {
  char const* words;
  std::function<void(plan&)> make;
};

// Each lambda breaks one invariant of good_plan(): spans 0 to 3 are expert 0's, then 2, 4, 4, 3;
// moves (0: 0 -> 2), (0: 0 -> 1), (4: 3 -> 0).
std::vector<plan_fault> span_faults() {
  return {
      {"expert 5: there is no such expert", [](auto& p) { p.spans[4].expert = 5; }},
      {"expert -1: there is no such expert", [](auto& p) { p.spans[4].expert = -1; }},
      {"expert 2: there is no such rank", [](auto& p) { p.spans[4].rank = 4; }},
      {"expert 2: there is no such rank", [](auto& p) { p.spans[4].rank = -1; }},
      {"expert 4: there are no waves yet", [](auto& p) { p.spans[6].wave = 1; }},
      {"expert 0: a span is", [](auto& p) { p.spans[1].begin = 5; }},  // gap
      {"expert 0: a span is", [](auto& p) { p.spans[1].begin = 3; }},  // overlap
      {"expert 0: a span is", [](auto& p) { p.spans[0].begin = 1; }},  // not from the first row on
      {"expert 0: a span is", [](auto& p) { p.spans[0].begin = -1; }},
      {"expert 0: a span is", [](auto& p) { p.spans[1].end = 4; }},   // empty
      {"expert 0: a span is", [](auto& p) { p.spans[1].end = 3; }},   // backwards
      {"expert 0: a span is", [](auto& p) { p.spans[3].end = 11; }},  // beyond the load
      {"expert 0: not all rows", [](auto& p) { p.spans[3].end = 9; }},
      {"expert 2: a span is", [](auto& p) { p.spans.insert(p.spans.begin() + 5, {2, 1, 6, 6}); }},
      {"expert 1: a span is", [](auto& p) { p.spans.push_back({1, 0, 0, 0}); }},  // has no rows
      {"expert 1: a span is", [](auto& p) { p.spans.push_back({1, 0, 0, 1}); }},
      {"expert 0: a span is", [](auto& p) { std::swap(p.spans[1], p.spans[2]); }},
      {"expert 0: not all rows", [](auto& p) { std::swap(p.spans[3], p.spans[4]); }},
      {"expert 2: the expert's spans don't stand together",
       [](auto& p) { p.spans.push_back({2, 1, 0, 6}); }},
      {"expert 3: rows of the expert are given to nobody", [](auto& p) { p.spans.pop_back(); }},
      {"expert 0: rows of the expert are given to nobody",
       [](auto& p) { p.spans.clear(), p.moves.clear(); }},
  };
}

std::vector<plan_fault> move_faults() {
  return {
      {"expert 4: a move is missing", [](auto& p) { p.moves.pop_back(); }},
      {"expert 0: a move is missing", [](auto& p) { p.moves.erase(p.moves.begin()); }},
      {"expert 0: a move is missing", [](auto& p) { p.moves.insert(p.moves.begin(), p.moves[0]); }},
      {"expert 4: a move is missing",
       [](auto& p) { p.moves.insert(p.moves.begin() + 2, weight_move{}); }},
      {"expert 0: a move is missing", [](auto& p) { std::swap(p.moves[0], p.moves[1]); }},
      {"expert 4: a move is missing", [](auto& p) { p.moves[2].expert = 2; }},
      {"expert 4: a move is missing", [](auto& p) { p.moves[2].from = 2; }},
      {"expert 4: a move is missing", [](auto& p) { p.moves[2].to = 1; }},
      {"expert 4: a move is missing", [](auto& p) { p.moves[2].wave = 1; }},
      {"expert 0: a move is missing", [](auto& p) { p.spans[0].rank = 3; }},
      {"expert 3: a move that no span needs", [](auto& p) { p.moves.push_back({3, 2, 0}); }},
      {"expert 4: a move that no span needs", [](auto& p) { p.moves.push_back(p.moves[2]); }},
      {"expert 4: a move that no span needs", [](auto& p) { p.spans[6].rank = 3; }},
  };
}

void check_faults(std::vector<plan_fault> const& faults) {
  auto const in = four_ranks();
  plan_validator checked;  // one for all: what it has seen before changes nothing
  for (std::size_t i = 0; i < faults.size(); ++i) {
    CAPTURE(i);
    plan p = good_plan();
    CHECK_NOTHROW(checked(in.view(), p));
    faults[i].make(p);
    CHECK_THROWS_MATCHES(checked(in.view(), p), error,
                         says(errc::plan_inconsistent, std::string("plan: ") + faults[i].words));
    CHECK_THROWS_AS(validate(in.view(), p), error);
  }
}

TEST_CASE("validate: every single fault of a span is found, and its expert named", "[plan]") {
  check_faults(span_faults());
}

TEST_CASE("validate: every single fault of a move is found, and its expert named", "[plan]") {
  check_faults(move_faults());
}

// ---- random plans ---------------------------------------------------------------------------

template <class T>
T other_than(seeded& random, T value) {
  T const off = static_cast<T>(random.between(1, 3));
  return random.chance(50) ? value + off : value - off;
}

// Changes one number of the plan; the rank of a span isn't among them: two spans on one rank may
// make the plan valid again.
void disturb(seeded& random, plan& p) {
  auto const i = static_cast<std::size_t>(random.below(std::ssize(p.spans)));
  if (!p.moves.empty() && random.chance(40)) {
    auto& m = p.moves[i % p.moves.size()];
    std::int32_t* const fields[] = {&m.expert, &m.from, &m.to, &m.wave};
    std::int32_t& field = *fields[random.below(4)];
    field = other_than(random, field);
    return;
  }
  auto& s = p.spans[i];
  switch (random.below(4)) {
    case 0:
      s.expert = other_than(random, s.expert);
      break;
    case 1:
      s.begin = other_than(random, s.begin);
      break;
    case 2:
      s.end = other_than(random, s.end);
      break;
    default:
      s.wave = other_than(random, s.wave);
  }
}

TEST_CASE("validate: random plans pass, and fail when one number of them changes", "[plan]") {
  plan_validator checked;
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const in = testing::random_counted(random, random.int32(1, 7), random.int32(1, 9), 6);
    plan p = testing::random_plan(random, in.view());
    REQUIRE_NOTHROW(checked(in.view(), p));
    if (p.spans.empty()) continue;
    disturb(random, p);
    REQUIRE_THROWS_MATCHES(checked(in.view(), p), error, says(errc::plan_inconsistent, "plan: "));
  }
}

std::uint64_t digest_of(plan const& p) {
  digest sum;
  return add(sum, p).value();
}

TEST_CASE("digest of a plan: any number that changes changes it", "[plan][digest]") {
  plan const base = good_plan();
  std::set<std::uint64_t> seen{digest_of(base), digest_of(plan{})};
  std::size_t count = 2;
  auto const differs = [&](auto const& change) {
    plan p = base;
    change(p);
    seen.insert(digest_of(p));
    ++count;
  };
  for (std::size_t i = 0; i < base.spans.size(); ++i) {
    differs([=](plan& p) { p.spans[i].expert += 100; });
    differs([=](plan& p) { p.spans[i].rank += 100; });
    differs([=](plan& p) { p.spans[i].begin += 100; });
    differs([=](plan& p) { p.spans[i].end += 100; });
    differs([=](plan& p) { p.spans[i].wave += 100; });
    differs([=](plan& p) { p.spans.erase(p.spans.begin() + static_cast<std::ptrdiff_t>(i)); });
  }
  for (std::size_t i = 0; i < base.moves.size(); ++i) {
    differs([=](plan& p) { p.moves[i].expert += 100; });
    differs([=](plan& p) { p.moves[i].from += 100; });
    differs([=](plan& p) { p.moves[i].to += 100; });
    differs([=](plan& p) { p.moves[i].wave += 100; });
    differs([=](plan& p) { p.moves.erase(p.moves.begin() + static_cast<std::ptrdiff_t>(i)); });
  }
  differs([](plan& p) { std::swap(p.spans[4], p.spans[5]); });
  differs([](plan& p) { std::swap(p.moves[0], p.moves[1]); });
  CHECK(seen.size() == count);
  CHECK(digest_of(good_plan()) == digest_of(base));
}

TEST_CASE("plan: give refuses what can't be before it touches anything", "[plan]") {
  std::vector<rank_id> const owner{0, 1};
  std::vector<row_count> const load{5, 7};
  problem const in{2, owner, load, {}};
  llep::plan p;
  CHECK_THROWS_AS(p.give(in, 0, 0, 5), error);  // not started
  p.start(in);
  CHECK_THROWS_AS(p.give(in, 0, 2, 5), error);
  CHECK_THROWS_AS(p.give(in, 0, -1, 5), error);
  CHECK_THROWS_AS(p.give(in, 2, 0, 5), error);
  CHECK_THROWS_AS(p.give(in, -1, 0, 5), error);
  CHECK_THROWS_AS(p.give(in, 0, 0, 0), error);
  CHECK_THROWS_AS(p.give(in, 0, 0, 6), error);
  p.give(in, 0, 1, 3);
  CHECK_THROWS_AS(p.give(in, 0, 0, 3), error);
  p.give(in, 0, 0, 2);
  CHECK(p.spans.size() == 2);
}

}  // namespace
