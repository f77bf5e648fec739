// SPDX-License-Identifier: Apache-2.0
#include <llep/row_order/global_order.hpp>  // first: proves it needs no help
#include <llep/row_order/local_first.hpp>
#include <llep/row_order/validate.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_predicate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <llep/testing/sample_problem.hpp>
#include <llep/validate.hpp>

namespace {

using namespace llep;
using testing::sample_problem;
using testing::seeded;
using pieces = std::vector<piece>;

// ---- every row written down -----------------------------------------------------------------

// Row `index` of `expert` on rank `src`, and the rank that computes it.
using row_name = std::tuple<expert_id, rank_id, row_count>;
using placement = std::map<row_name, rank_id>;

// The expert's global row order.
std::vector<row_name> rows_of(problem const& in, expert_id e) {
  std::vector<row_name> rows;
  for (rank_id src = 0; src < in.ranks; ++src)
    for (row_count i = 0; i < in.rows_from(src, e); ++i) rows.emplace_back(e, src, i);
  return rows;
}

placement naive_global(problem const& in, plan const& p) {
  placement out;
  for (row_span const& s : p.spans) {
    auto const rows = rows_of(in, s.expert);
    for (row_count i = s.begin; i < s.end; ++i) out[rows.at(static_cast<std::size_t>(i))] = s.rank;
  }
  return out;
}

// Rows of the expert that each rank computes.
std::map<rank_id, row_count> quotas(plan const& p, expert_id e) {
  std::map<rank_id, row_count> quota;
  for (row_span const& s : p.spans)
    if (s.expert == e) quota[s.rank] += s.end - s.begin;
  return quota;
}

placement naive_local(problem const& in, plan const& p) {
  placement out;
  for (expert_id e = 0; e < in.experts(); ++e) {
    auto quota = quotas(p, e);
    std::vector<row_name> rest;
    for (row_name const& row : rows_of(in, e)) {
      rank_id const src = std::get<1>(row);
      if (quota[src] > 0)
        out[row] = src, --quota[src];
      else
        rest.push_back(row);
    }
    auto next = rest.begin();
    for (row_span const& s : p.spans)
      if (s.expert == e)
        for (; quota[s.rank] > 0; --quota[s.rank]) out[*next++] = s.rank;
  }
  return out;
}

// Pieces may not overlap: a row placed twice shows as a rank that doesn't exist.
placement expanded(pieces const& list) {
  placement out;
  for (piece const& a : list)
    for (row_count i = a.begin; i < a.begin + a.rows; ++i)
      if (!out.emplace(row_name{a.expert, a.src, i}, a.dst).second)
        out[{a.expert, a.src, i}] = no_rank;
  return out;
}

row_count rows_sent(pieces const& list) {
  row_count sent = 0;
  for (piece const& a : list) sent += a.src == a.dst ? 0 : a.rows;
  return sent;
}

// Of every expert, what ranks neither hold nor compute themselves has to travel.
row_count least_rows_sent(problem const& in, plan const& p) {
  row_count sent = 0;
  for (expert_id e = 0; e < in.experts(); ++e) {
    sent += in.load[static_cast<std::size_t>(e)];
    for (auto const& [rank, quota] : quotas(p, e)) sent -= std::min(quota, in.rows_from(rank, e));
  }
  return sent;
}

sample_problem random_problem(seeded& random) {
  return testing::random_counted(random, random.int32(1, 7), random.int32(1, 8), 6);
}

template <row_order Order>
pieces arranged(Order const& order, sample_problem const& in, plan const& p) {
  typename Order::memory memory;
  pieces out;
  order.arrange(in.view(), p, memory, out);
  return out;
}

// ---- both orders ----------------------------------------------------------------------------

TEST_CASE("row orders: random plans are cut as if every row were named", "[row_order]") {
  global_order::memory of_global;  // memories and lists serve all shapes
  local_first::memory of_local;
  piece_validator check;
  pieces global;
  pieces local;
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const sample = random_problem(random);
    auto const in = sample.view();
    auto const p = testing::random_plan(random, in);
    global_order{}.arrange(in, p, of_global, global);
    local_first{}.arrange(in, p, of_local, local);
    REQUIRE_NOTHROW(check(in, p, global));
    REQUIRE_NOTHROW(check(in, p, local));
    REQUIRE(expanded(global) == naive_global(in, p));
    REQUIRE(expanded(local) == naive_local(in, p));
    REQUIRE(rows_sent(local) <= rows_sent(global));
    REQUIRE(rows_sent(local) == least_rows_sent(in, p));
  }
}

// Expert 0, owned by rank 1: 5 rows on rank 0, 4 on rank 1, 2 on rank 2; rank 0 computes two spans.
sample_problem double_span_problem() { return {3, {1}, {11}, {5, 4, 2}}; }

plan double_span_plan() {
  auto const in = double_span_problem();
  plan p;
  p.start(in.view());
  p.give(in.view(), 0, 0, 2);
  p.give(in.view(), 0, 1, 3);
  p.give(in.view(), 0, 2, 1);
  p.give(in.view(), 0, 0, 5);
  return p;
}

TEST_CASE("global_order: spans are cut where a source ends", "[row_order]") {
  auto const list = arranged(global_order{}, double_span_problem(), double_span_plan());
  CHECK(
      list ==
      pieces{{0, 0, 0, 0, 2}, {0, 0, 1, 2, 3}, {0, 1, 2, 0, 1}, {0, 1, 0, 1, 3}, {0, 2, 0, 0, 2}});
}

TEST_CASE("local_first: a rank with two spans keeps up to their sum", "[row_order]") {
  auto const list = arranged(local_first{}, double_span_problem(), double_span_plan());
  // rank 0 keeps its 5 of 7, rank 1 its first 3 of 3, rank 2 its first of 1; rank 0 gets the rest
  CHECK(
      list ==
      pieces{{0, 0, 0, 0, 5}, {0, 1, 1, 0, 3}, {0, 2, 2, 0, 1}, {0, 1, 0, 3, 1}, {0, 2, 0, 1, 1}});
  CHECK(rows_sent(list) == 2);
}

TEST_CASE("row orders: counts up to 2^62 are cut to the row", "[row_order]") {
  row_count const big = row_count{1} << 62;
  sample_problem const in{2, {0}, {big + 3}, {3, big}};
  plan p;
  p.start(in.view());
  p.give(in.view(), 0, 0, big - 1);
  p.give(in.view(), 0, 1, 4);
  CHECK(arranged(global_order{}, in, p) ==
        pieces{{0, 0, 0, 0, 3}, {0, 1, 0, 0, big - 4}, {0, 1, 1, big - 4, 4}});
  CHECK(arranged(local_first{}, in, p) ==
        pieces{{0, 0, 0, 0, 3}, {0, 1, 1, 0, 4}, {0, 1, 0, 4, big - 4}});
}

TEST_CASE("row orders: no rows, no pieces", "[row_order]") {
  sample_problem const in{2, {0, 1}, {0, 0}, {0, 0, 0, 0}};
  plan p;
  p.start(in.view());
  CHECK(arranged(global_order{}, in, p).empty());
  CHECK(arranged(local_first{}, in, p).empty());
}

TEST_CASE("row orders: their digests differ", "[row_order][digest]") {
  CHECK(global_order{}.digest() != local_first{}.digest());
}

// ---- validate -------------------------------------------------------------------------------

// Two ranks; expert 0 of rank 0 (3 + 2 rows), 1 of rank 1 (1 + 4 rows), 2 without rows.
sample_problem two_ranks() { return {2, {0, 1, 0}, {5, 5, 0}, {3, 1, 0, 2, 4, 0}}; }

plan two_ranks_plan() {
  auto const in = two_ranks();
  plan p;
  p.start(in.view());
  p.give(in.view(), 1, 1, 3);
  p.give(in.view(), 1, 0, 2);
  p.give(in.view(), 0, 0, 5);
  return p;
}

// global_order's
pieces good_pieces() {
  return {{1, 0, 1, 0, 1}, {1, 1, 1, 0, 2}, {1, 1, 0, 2, 2}, {0, 0, 0, 0, 3}, {0, 1, 0, 0, 2}};
}

struct piece_fault {
  char const* words;
  std::function<void(pieces&)> make;
};

// Each breaks one promise of a row order.
std::vector<piece_fault> piece_faults() {
  row_count const most = std::numeric_limits<row_count>::max();
  return {
      {"expert 3: no such expert or rank", [](auto& list) { list[0].expert = 3; }},
      {"expert -1: no such expert or rank", [](auto& list) { list[0].expert = -1; }},
      {"expert 1: no such expert or rank", [](auto& list) { list[0].src = 2; }},
      {"expert 1: no such expert or rank", [](auto& list) { list[0].src = -1; }},
      {"expert 1: no such expert or rank", [](auto& list) { list[0].dst = 2; }},
      {"expert 1: no such expert or rank", [](auto& list) { list[0].dst = -1; }},
      {"expert 0: a piece is", [](auto& list) { list[3].rows = 0; }},
      {"expert 0: a piece is", [](auto& list) { list[3].rows = -3; }},
      {"expert 0: a piece is", [](auto& list) { list.insert(list.begin() + 4, {0, 0, 0, 3, 0}); }},
      {"expert 0: a piece is", [](auto& list) { list[3].begin = 1; }},
      {"expert 1: a piece is", [](auto& list) { list[2].begin = 3; }},            // gap
      {"expert 1: a piece is", [](auto& list) { list[2].begin = 1; }},            // overlap
      {"expert 1: a piece is", [](auto& list) { std::swap(list[1], list[2]); }},  // order
      {"expert 0: a source's rows", [](auto& list) { list[3].rows = 2; }},
      {"expert 0: ", [](auto& list) { list[3].rows = 4; }},  // more than there are
      {"expert 0: ", [](auto& list) { --list[3].rows, ++list[4].rows; }},
      {"expert 0: a source's rows", [](auto& list) { list.clear(); }},
      {"expert 0: a rank gets", [](auto& list) { list.pop_back(); }},
      {"expert 0: ", [](auto& list) { list.push_back({0, 0, 0, 3, 1}); }},
      {"expert 0: ", [=](auto& list) { list[3].rows = most, list.push_back({0, 0, 0, most, 1}); }},
      {"expert 1: a rank gets", [](auto& list) { list[0].dst = 0; }},
      {"expert 1: a rank gets", [](auto& list) { list[2].dst = 1; }},
      {"expert 1: its pieces don't stand",  // not together
       [](auto& list) { std::swap(list[2], list[3]); }},
      {"expert 1: its pieces don't stand",  // not in the plan's order of experts
       [](auto& list) { std::rotate(list.begin(), list.begin() + 3, list.end()); }},
      {"expert 2: its pieces don't stand", [](auto& list) { list.push_back({2, 0, 0, 0, 1}); }},
  };
}

auto says(std::string const& words) {
  return Catch::Matchers::Predicate<error>(
      [words](error const& e) {
        return e.code() == errc::plan_inconsistent &&
               std::string(e.what()).find("pieces: " + words) == 0;
      },
      "says \"" + words + '"');
}

TEST_CASE("validate: every single fault of a piece is found, and its expert named", "[row_order]") {
  auto const in = two_ranks();
  auto const p = two_ranks_plan();
  REQUIRE_NOTHROW(validate(in.view(), p));
  REQUIRE(arranged(global_order{}, in, p) == good_pieces());
  auto const faults = piece_faults();
  piece_validator check;  // one for all: what it has seen before changes nothing
  for (std::size_t i = 0; i < faults.size(); ++i) {
    CAPTURE(i);
    auto list = good_pieces();
    CHECK_NOTHROW(check(in.view(), p, list));
    faults[i].make(list);
    CHECK_THROWS_MATCHES(check(in.view(), p, list), error, says(faults[i].words));
    CHECK_THROWS_AS(validate(in.view(), p, list), error);
  }
}

TEST_CASE("validate: pieces with one number changed are found out", "[row_order]") {
  for (std::uint64_t seed = 0; seed < 10'000; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const in = random_problem(random);
    auto const p = testing::random_plan(random, in.view());
    auto list =
        random.chance(50) ? arranged(global_order{}, in, p) : arranged(local_first{}, in, p);
    if (list.empty()) continue;
    auto& a = list[static_cast<std::size_t>(random.below(std::ssize(list)))];
    auto const off = random.one_of({-2, -1, 1, 2});
    switch (random.below(5)) {
      case 0:
        a.expert += off;
        break;
      case 1:
        a.src += off;
        break;
      case 2:
        a.dst += off;
        break;
      case 3:
        a.begin += off;
        break;
      default:
        a.rows += off;
    }
    REQUIRE_THROWS_MATCHES(validate(in.view(), p, list), error, says("expert "));
  }
}

}  // namespace
