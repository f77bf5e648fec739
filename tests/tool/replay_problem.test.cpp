// SPDX-License-Identifier: Apache-2.0
#include "tool/replay/replay_problem.hpp"

#include <catch2/catch_test_macros.hpp>
#include <llep/validate.hpp>
#include <vector>

#include "tool/plan_facts.hpp"

namespace {

using llep::row_count;
using llep::tool::load_trace;
using llep::tool::make_replay_problem;
using counts = std::vector<row_count>;

// Three experts; two sources.
load_trace trace_of(counts recorded, bool sources_known = true) {
  load_trace trace;
  trace.experts = 3;
  trace.sources = sources_known ? 2 : 1;
  trace.sources_known = sources_known;
  trace.pairs.push_back({4, 9, std::move(recorded)});
  return trace;
}

llep::tool::replay_problem made(load_trace const& trace, std::int32_t ranks,
                                std::int64_t scale = 1) {
  auto problem = make_replay_problem(trace, trace.pairs.front(), ranks, scale);
  CHECK_NOTHROW(llep::validate(problem.view()));
  return problem;
}

}  // namespace

TEST_CASE("replay problem: with a source for every rank the counts are those recorded",
          "[tool][replay]") {
  auto const problem = made(trace_of({1, 2, 3, 4, 5, 6}), 2);
  CHECK(problem.load == counts{5, 7, 9});
  CHECK(problem.counts == counts{1, 2, 3, 4, 5, 6});
  CHECK(problem.owner == std::vector<llep::rank_id>{0, 0, 1});
  CHECK(llep::tool::native_loads(problem.view()) == counts{12, 9});
}

TEST_CASE("replay problem: other rank counts get the rows evenly, the first ranks one more",
          "[tool][replay]") {
  auto const problem = made(trace_of({1, 2, 3, 4, 5, 6}), 3);
  CHECK(problem.load == counts{5, 7, 9});
  CHECK(problem.counts == counts{2, 3, 3, 2, 2, 3, 1, 2, 3});
  // one row of sums isn't one source rank
  CHECK(made(trace_of({5, 7, 9}, false), 1).counts == counts{5, 7, 9});
}

TEST_CASE("replay problem: scaling comes before spreading", "[tool][replay]") {
  CHECK(made(trace_of({1, 0, 0, 0, 0, 0}), 3, 3).counts == counts{1, 0, 0, 1, 0, 0, 1, 0, 0});
  CHECK(made(trace_of({1, 2, 3, 4, 5, 6}), 2, 10).counts == counts{10, 20, 30, 40, 50, 60});
}

TEST_CASE("replay problem: counts that nobody needs are left out where they are many",
          "[tool][replay]") {
  auto const problem = made(trace_of({1, 2, 3, 4, 5, 6}), 1'048'576);
  CHECK(problem.counts.empty());
  CHECK(problem.load == counts{5, 7, 9});
}
