// SPDX-License-Identifier: Apache-2.0
#include <llep/planner/least_loaded.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <limits>
#include <vector>

#include <llep/testing/sample_problem.hpp>
#include <llep/validate.hpp>

namespace {

using namespace llep;
using testing::sample_problem;

constexpr row_count most = std::numeric_limits<row_count>::max();  // 2^63 - 1

plan planned(least_loaded const& policy, sample_problem const& in) {
  least_loaded::memory memory;
  plan out;
  policy.plan(in.view(), memory, out);
  validate(in.view(), out);
  return out;
}

sample_problem owned(std::vector<rank_id> owner, std::int32_t ranks, std::vector<row_count> load) {
  return {ranks, std::move(owner), std::move(load), {}};
}

sample_problem contiguous(std::int32_t ranks, std::vector<row_count> load) {
  auto owner = contiguous_owners(static_cast<std::int32_t>(load.size()), ranks);
  return owned(std::move(owner), ranks, std::move(load));
}

std::vector<row_count> rows_by_rank(plan const& p, std::int32_t ranks) {
  std::vector<row_count> rows(static_cast<std::size_t>(ranks), 0);
  for (row_span const& s : p.spans) rows[static_cast<std::size_t>(s.rank)] += s.end - s.begin;
  return rows;
}

using spans = std::vector<row_span>;
using moves = std::vector<weight_move>;
using all_rules = std::vector<lla_rules>;

all_rules const every_rule{lla_rules::ceil, lla_rules::paper, lla_rules::reference};

TEST_CASE("least_loaded: what the owner has no room for goes to the least loaded ranks, in order",
          "[planner][least_loaded]") {
  // 20 rows, 4 ranks: 5 a rank. Rank 1 holds 2, rank 2 holds 1, rank 3 holds 4.
  auto const in = contiguous(4, {13, 2, 1, 4});
  auto const p = planned({.min_chunk_rows = 1}, in);
  CHECK(p.spans == spans{{0, 0, 0, 5},
                         {0, 2, 5, 9},
                         {0, 1, 9, 12},
                         {0, 3, 12, 13},
                         {3, 3, 0, 4},
                         {1, 1, 0, 2},
                         {2, 2, 0, 1}});
  CHECK(p.moves == moves{{0, 0, 2}, {0, 0, 1}, {0, 0, 3}});
}

TEST_CASE("least_loaded: equal loads go by the lower id, of experts and of ranks",
          "[planner][least_loaded]") {
  auto const in = owned({1, 1, 0, 2}, 3, {4, 4, 2, 2});  // 12 rows: 4 a rank
  auto const p = planned({.min_chunk_rows = 1}, in);
  // expert 0 comes first, finds expert 1's rows pending at home and leaves; expert 1 then fits
  CHECK(p.spans == spans{{0, 0, 0, 2}, {0, 2, 2, 4}, {1, 1, 0, 4}, {2, 0, 0, 2}, {3, 2, 0, 2}});
}

TEST_CASE("least_loaded: a chunk below m is taken only if it is all that is left",
          "[planner][least_loaded]") {
  auto const in = contiguous(3, {12, 4, 2});  // 6 a rank: rooms 2 and 4
  CHECK(planned({.min_chunk_rows = 1}, in).spans ==
        spans{{0, 0, 0, 6}, {0, 2, 6, 10}, {0, 1, 10, 12}, {1, 1, 0, 4}, {2, 2, 0, 2}});
  // the last 2 rows are below m = 3, but all that is left
  CHECK(planned({.min_chunk_rows = 3}, in).spans ==
        spans{{0, 0, 0, 6}, {0, 2, 6, 10}, {0, 1, 10, 12}, {1, 1, 0, 4}, {2, 2, 0, 2}});
  // a chunk of m rows is large enough
  CHECK(planned({.min_chunk_rows = 4}, in).spans ==
        spans{{0, 0, 0, 6}, {0, 2, 6, 10}, {0, 1, 10, 12}, {1, 1, 0, 4}, {2, 2, 0, 2}});
  // 4 of 6 rows are below m = 5: nobody takes any, so the least loaded rank gets all of them,
  // and has no room for its own expert then
  CHECK(planned({.min_chunk_rows = 5}, in).spans ==
        spans{{0, 0, 0, 6}, {0, 2, 6, 12}, {1, 1, 0, 4}, {2, 1, 0, 2}});
}

TEST_CASE("least_loaded: a small excess stays home only where asked for",
          "[planner][least_loaded]") {
  auto const in = contiguous(2, {7, 3});  // 5 a rank: 2 rows too many
  least_loaded policy{.min_chunk_rows = 3};
  CHECK(planned(policy, in).spans == spans{{0, 0, 0, 5}, {0, 1, 5, 7}, {1, 1, 0, 3}});
  policy.keep_small_excess_home = true;
  CHECK(planned(policy, in).spans == spans{{0, 0, 0, 7}, {1, 1, 0, 3}});
  policy.min_chunk_rows = 2;  // not fewer than m
  CHECK(planned(policy, in).spans == spans{{0, 0, 0, 5}, {0, 1, 5, 7}, {1, 1, 0, 3}});
}

TEST_CASE("least_loaded: rounding up, a total that P doesn't divide moves nothing by itself",
          "[planner][least_loaded]") {
  // all experts alike but for three rows: no rank holds more than its share rounded up; rounded
  // down, the three rows that fit nowhere push out others
  std::vector<row_count> load(128, 8192);
  for (std::size_t e : {0U, 16U, 32U}) ++load[e];
  auto const even = contiguous(8, load);
  CHECK(planned({.rules = lla_rules::ceil}, even).moves.empty());
  CHECK(planned({.rules = lla_rules::paper}, even).moves.size() > 3);

  // a hot expert is lent to everybody else; only rounded down does more happen
  load.assign(128, 5000);
  load[0] = 131074;
  load[1] = 5001;
  auto const hot = contiguous(8, load);
  CHECK(planned({.rules = lla_rules::ceil}, hot).moves.size() == 7);
  CHECK(planned({.rules = lla_rules::paper}, hot).moves.size() > 7);
}

TEST_CASE("least_loaded: m = 0 gives full ranks nothing", "[planner][least_loaded]") {
  for (lla_rules const rules : every_rule) {
    CAPTURE(static_cast<int>(rules));
    least_loaded const policy{.alpha = 0.5, .min_chunk_rows = 0, .rules = rules};
    auto const p = planned(policy, contiguous(3, {6, 6, 0}));  // `paper`: 2 a rank
    CHECK(p.moves.size() <= 3);
    for (row_span const& s : p.spans) CHECK(s.begin < s.end);
  }
  least_loaded const policy{.alpha = 0.5, .min_chunk_rows = 0, .rules = lla_rules::paper};
  CHECK(planned(policy, contiguous(3, {6, 6, 0})).spans ==
        spans{{0, 0, 0, 2}, {0, 2, 2, 6}, {1, 1, 0, 2}, {1, 0, 2, 6}});
}

TEST_CASE("least_loaded: with room enough for everything nothing moves",
          "[planner][least_loaded]") {
  auto const in = contiguous(4, {most - 3, 0, 1, 2});
  for (double const alpha : {4.0, 5.0, 1e6, 1e12, 1e18, 1e300, 1.7e308})
    for (lla_rules const rules : every_rule) {
      CAPTURE(alpha, static_cast<int>(rules));
      CHECK(planned({.alpha = alpha, .min_chunk_rows = 1, .rules = rules}, in).moves.empty());
    }
}

TEST_CASE("least_loaded: totals of 10^12 and 2^63 - 1 are split to the row",
          "[planner][least_loaded]") {
  row_count const trillion = 1'000'000'000'000;
  CHECK(planned({}, contiguous(3, {trillion, 0, 0})).spans ==
        spans{{0, 0, 0, 333'333'333'334},
              {0, 1, 333'333'333'334, 666'666'666'668},
              {0, 2, 666'666'666'668, trillion}});
  // 2^63 - 1 = 3 x 3074457345618258602 + 1
  row_count const third = 3'074'457'345'618'258'602;
  for (bool const up : {true, false}) {
    least_loaded const policy{.rules = up ? lla_rules::ceil : lla_rules::paper};
    row_count const limit = third + (up ? 1 : 0);
    auto const p = planned(policy, contiguous(3, {most, 0, 0}));
    CHECK(p.spans.front() == row_span{0, 0, 0, limit});
    CHECK(p.spans.back().end == most);
    CHECK(rows_by_rank(p, 3)[0] == limit);
  }
  CHECK(capacity(lla_rules::ceil, 1.0, most, 1) == most);
  CHECK(capacity(lla_rules::ceil, 0.5, most, 1) == most);  // never below the balanced share
  CHECK(capacity(lla_rules::paper, 0.5, most, 1) == most / 2);
  CHECK(capacity(lla_rules::paper, 1e300, most, 1) == most);
}

TEST_CASE("capacity: reference rules truncate the double product also where doubles are coarse",
          "[planner][capacity]") {
  row_count const odd = (row_count{1} << 53) + 1;  // no double; the mean over two ranks is 2^52
  CHECK(capacity(lla_rules::reference, 2.0, odd, 2) == odd - 1);
  CHECK(capacity(lla_rules::reference, 2.0, odd + 2, 2) == odd + 1);
  CHECK(capacity(lla_rules::reference, 2.3, 81, 2) == 81);     // 92, but there is no more
  CHECK(capacity(lla_rules::reference, 1.15, 200, 2) == 114);  // 1.15 x 100 = 114.99999999999999
  CHECK(capacity(lla_rules::reference, 1.0, 3, 4) == 3);       // fewer rows than ranks: all of them
  CHECK(capacity(lla_rules::reference, 0.001, 40, 4) == 1);    // at least one
}

TEST_CASE("capacity: exact rules round the exact product", "[planner][capacity]") {
  CHECK(capacity(lla_rules::ceil, 1.15, 200, 2) == 115);
  CHECK(capacity(lla_rules::paper, 1.15, 200, 2) == 115);
  CHECK(capacity(lla_rules::ceil, 1.1, 13, 4) == 4);  // 3.575
  CHECK(capacity(lla_rules::paper, 1.1, 13, 4) == 3);
  CHECK(capacity(lla_rules::ceil, 1.5, 13, 4) == 5);  // 4.875
  CHECK(capacity(lla_rules::paper, 1.5, 13, 4) == 4);
  CHECK(capacity(lla_rules::ceil, 0.1, 13, 4) == 4);  // 0.325, but a balanced rank holds up to 4
  CHECK(capacity(lla_rules::paper, 0.1, 13, 4) == 0);
  CHECK(capacity(lla_rules::ceil, 1.0, 0, 4) == 0);
  // 1.000001 x (10^18 + 1) / 1, exactly
  CHECK(capacity(lla_rules::paper, 0.999999, 1'000'000'000'000'000'001, 1) ==
        999'999'000'000'000'000);
}

TEST_CASE("least_loaded: one rank keeps everything, whatever its capacity",
          "[planner][least_loaded]") {
  for (lla_rules const rules : every_rule) {
    auto const p =
        planned({.alpha = 0.1, .min_chunk_rows = 0, .rules = rules}, contiguous(1, {3, 0, 9}));
    CHECK(p.spans == spans{{2, 0, 0, 9}, {0, 0, 0, 3}});
    CHECK(p.moves.empty());
  }
}

TEST_CASE("least_loaded: nothing routed gives an empty plan", "[planner][least_loaded]") {
  for (lla_rules const rules : every_rule) {
    auto const p = planned({.min_chunk_rows = 0, .rules = rules}, contiguous(4, {0, 0, 0, 0, 0}));
    CHECK(p.spans.empty());
    CHECK(p.moves.empty());
  }
}

}  // namespace
