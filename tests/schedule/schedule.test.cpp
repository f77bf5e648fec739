// SPDX-License-Identifier: Apache-2.0
#include <llep/schedule.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/validate.hpp>

namespace {

using namespace llep;
using testing::sample_problem;
using testing::seeded;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A row's name: its rank and its place in the rank's list of ids. 0 is no row; what a row becomes
// is its name's negative.
using name = std::int64_t;
using names = std::vector<name>;

/// One step of all ranks at once.
struct world {
  sample_problem sample;
  plan quotas;
  std::vector<piece> pieces;
  std::vector<std::vector<expert_id>> ids;  // by rank: T x K
  std::vector<schedule> steps;              // by rank; built again and again

  [[nodiscard]] name row(rank_id src, std::size_t position) const {
    return (src + 1) * 1'000'000 + static_cast<name>(position);
  }
  // The rows of a piece, in order.
  [[nodiscard]] names rows_of(piece const& a) const {
    names found;
    row_count seen = 0;
    auto const& list = ids[at(a.src)];
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (list[i] != a.expert) continue;
      if (seen >= a.begin && seen < a.begin + a.rows) found.push_back(row(a.src, i));
      ++seen;
    }
    return found;
  }
};

void append(names& all, names const& more) { all.insert(all.end(), more.begin(), more.end()); }

// Every rank names its experts in some order.
void list_ids(world& w, seeded& random) {
  w.ids.assign(at(w.sample.ranks), {});
  for (rank_id p = 0; p < w.sample.ranks; ++p) {
    auto& list = w.ids[at(p)];
    for (expert_id e = 0; e < w.sample.experts(); ++e)
      list.insert(list.end(), at(w.sample.view().rows_from(p, e)), e);
    for (std::size_t i = list.size(); i > 1; --i)
      std::swap(list[i - 1], list[at(random.below(static_cast<std::int64_t>(i)))]);
  }
}

void make(world& w, std::uint64_t seed) {
  seeded random(seed);
  w.sample = testing::random_counted(random, random.int32(1, 8), random.int32(1, 9), 5);
  auto const in = w.sample.view();
  w.quotas = testing::random_plan(random, in);
  if (random.chance(50)) {
    global_order::memory none;
    global_order{}.arrange(in, w.quotas, none, w.pieces);
  } else {
    local_first::memory memory;
    local_first{}.arrange(in, w.quotas, memory, w.pieces);
  }
  list_ids(w, random);
  if (w.steps.size() < at(in.ranks)) w.steps.resize(at(in.ranks));
  for (rank_id p = 0; p < in.ranks; ++p) w.steps[at(p)].build(in, w.quotas, w.pieces, p);
}

// ---- the areas, spelled out -----------------------------------------------------------------

// "packed by the rank that computes them, then by piece"
names home_of(world const& w, rank_id me) {
  names all;
  for (rank_id dst = 0; dst < w.sample.ranks; ++dst)
    for (piece const& a : w.pieces)
      if (a.src == me && a.dst == dst) append(all, w.rows_of(a));
  return all;
}

struct group {
  expert_id expert;
  names rows;
};

// "one block an expert, native experts before lent ones, each by rising id, rows by piece"
std::vector<group> groups_of(world const& w, rank_id me) {
  std::vector<group> all;
  for (bool const native : {true, false})
    for (expert_id e = 0; e < w.sample.experts(); ++e) {
      if ((w.sample.owner[at(e)] == me) != native) continue;
      group g{e, {}};
      for (piece const& a : w.pieces)
        if (a.expert == e && a.dst == me) append(g.rows, w.rows_of(a));
      if (!g.rows.empty()) all.push_back(g);
    }
  return all;
}

names group_area_of(world const& w, rank_id me) {
  names all;
  for (group const& g : groups_of(w, me)) append(all, g.rows);
  return all;
}

// ---- the areas, as the schedule fills them --------------------------------------------------

// Where the schedule puts each of the rank's rows: by counting, and a search among the segments.
names packed_home(world const& w, rank_id me) {
  auto const& steps = w.steps[at(me)];
  auto const& ids = w.ids[at(me)];
  names home(ids.size(), 0);
  std::vector<row_count> seen(w.sample.load.size(), 0);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    auto const e = at(ids[i]);
    row_segment found{-1, -1};
    for (auto s = steps.segment_offsets().at(e); s < steps.segment_offsets().at(e + 1); ++s)
      if (steps.segments().at(at(s)).begin <= seen[e]) found = steps.segments()[at(s)];
    home.at(at(found.slot + seen[e] - found.begin)) = w.row(me, i);
    ++seen[e];
  }
  return home;
}

names read(names const& from, row_count first, row_count rows) {
  REQUIRE((first >= 0 && rows >= 1 && first + rows <= std::ssize(from)));
  return {from.begin() + first, from.begin() + first + rows};
}

// Nothing is written twice.
void write(names& to, row_count first, names const& rows) {
  REQUIRE((first >= 0 && first + std::ssize(rows) <= std::ssize(to)));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(to[at(first) + i] == 0);
    to[at(first) + i] = rows[i];
  }
}

template <class Stop>
std::vector<Stop> stops_with(std::vector<Stop> const& all, rank_id peer) {
  std::vector<Stop> some;
  for (Stop const& s : all)
    if (s.peer == peer) some.push_back(s);
  return some;
}

using areas = std::vector<names>;  // by rank

void move_own(world const& w, areas const& from, areas& to, bool back) {
  for (std::size_t p = 0; p < from.size(); ++p)
    for (row_chunk const& c : w.steps[p].own_rows())
      write(to[p], back ? c.from : c.to, read(from[p], back ? c.to : c.from, c.rows));
}

// Every message goes from where the one side says to where the other side says.
void exchange_segments(world const& w, areas const& from, areas& to, bool back) {
  for (rank_id src = 0; src < w.sample.ranks; ++src)
    for (rank_id dst = 0; dst < w.sample.ranks; ++dst) {
      auto const out = stops_with(w.steps[at(src)].departures(), dst);
      auto const in = stops_with(w.steps[at(dst)].arrivals(), src);
      REQUIRE(out.size() == in.size());
      for (std::size_t i = 0; i < out.size(); ++i) {
        REQUIRE(out[i].rows == in[i].rows);
        if (back)
          write(to[at(src)], out[i].home, read(from[at(dst)], in[i].slot, in[i].rows));
        else
          write(to[at(dst)], in[i].slot, read(from[at(src)], out[i].home, out[i].rows));
      }
    }
}

// One message a pair: its stops lie side by side on both sides.
void exchange_packed(world const& w, areas const& from, areas& to, bool back) {
  for (rank_id src = 0; src < w.sample.ranks; ++src)
    for (rank_id dst = 0; dst < w.sample.ranks; ++dst) {
      auto const out = stops_with(w.steps[at(src)].departures(), dst);
      auto const in = stops_with(w.steps[at(dst)].arrivals(), src);
      row_count left = 0;
      row_count arrived = 0;
      for (departure const& d : out) {
        REQUIRE(d.home == out[0].home + left);
        left += d.rows;
      }
      for (arrival const& a : in) {
        REQUIRE(a.staged == in[0].staged + arrived);
        arrived += a.rows;
      }
      REQUIRE(left == arrived);
      if (left == 0) continue;
      if (back)
        write(to[at(src)], out[0].home, read(from[at(dst)], in[0].staged, arrived));
      else
        write(to[at(dst)], in[0].staged, read(from[at(src)], out[0].home, left));
    }
}

// Between the staging and the group area.
void regroup(world const& w, areas const& from, areas& to, bool back) {
  for (std::size_t p = 0; p < from.size(); ++p)
    for (arrival const& a : w.steps[p].arrivals())
      write(to[p], back ? a.staged : a.slot, read(from[p], back ? a.slot : a.staged, a.rows));
}

struct all_areas {
  areas home, grouped, staged;

  explicit all_areas(world const& w) {
    for (rank_id p = 0; p < w.sample.ranks; ++p) {
      auto const& s = w.steps[at(p)];
      home.emplace_back(at(s.rows_held(p)), 0);
      grouped.emplace_back(at(s.rows_computed(p)), 0);
      staged.emplace_back(at(s.rows_computed(p) - s.rows_staying(p)), 0);
    }
  }
};

// ---- tests ----------------------------------------------------------------------------------

constexpr std::uint64_t problems = 2000;

TEST_CASE("schedule: areas lie as stated, on every rank", "[schedule]") {
  world w;
  for (std::uint64_t seed = 0; seed < problems; ++seed) {
    CAPTURE(seed);
    make(w, seed);
    for (rank_id p = 0; p < w.sample.ranks; ++p) {
      CAPTURE(p);
      auto const& s = w.steps[at(p)];
      REQUIRE(packed_home(w, p) == home_of(w, p));  // so every row has a slot of its own
      auto const groups = groups_of(w, p);
      REQUIRE(s.experts(p).size() == groups.size());
      REQUIRE(s.rows_by_group(p).size() == groups.size());
      for (std::size_t g = 0; g < groups.size(); ++g) {
        REQUIRE(s.experts(p)[g] == groups[g].expert);
        REQUIRE(s.rows_by_group(p)[g] == std::ssize(groups[g].rows));
      }
      auto const to_me = [p](weight_move const& m) { return m.to == p; };
      REQUIRE(std::count_if(w.quotas.moves.begin(), w.quotas.moves.end(), to_me) ==
              static_cast<std::ptrdiff_t>(s.lent(p)));
    }
  }
}

TEST_CASE("schedule: what is for one peer stands together in the lists", "[schedule]") {
  world w;
  for (std::uint64_t seed = 0; seed < problems; ++seed) {
    CAPTURE(seed);
    make(w, seed);
    for (rank_id p = 0; p < w.sample.ranks; ++p) {
      auto const& s = w.steps[at(p)];
      REQUIRE(std::ranges::is_sorted(s.departures(), {}, &departure::peer));
      REQUIRE(std::ranges::is_sorted(s.arrivals(), {}, &arrival::peer));
      REQUIRE(stops_with(s.departures(), p).empty());
      REQUIRE(stops_with(s.arrivals(), p).empty());
    }
  }
}

TEST_CASE("schedule: every rank knows the sizes of all", "[schedule]") {
  world w;
  for (std::uint64_t seed = 0; seed < problems; ++seed) {
    CAPTURE(seed);
    make(w, seed);
    for (rank_id r = 0; r < w.sample.ranks; ++r) {
      auto const& own = w.steps[at(r)];
      row_count staying = 0;
      for (piece const& a : w.pieces) staying += a.src == r && a.dst == r ? a.rows : 0;
      REQUIRE(own.rows_held(r) == std::ssize(w.ids[at(r)]));
      REQUIRE(own.rows_computed(r) == std::ssize(group_area_of(w, r)));
      REQUIRE(own.rows_staying(r) == staying);
      for (rank_id by = 0; by < w.sample.ranks; ++by) {
        auto const& theirs = w.steps[at(by)];
        REQUIRE(std::ranges::equal(theirs.experts(r), own.experts(r)));
        REQUIRE(std::ranges::equal(theirs.rows_by_group(r), own.rows_by_group(r)));
        REQUIRE(theirs.lent(r) == own.lent(r));
        REQUIRE(theirs.rows_held(r) == own.rows_held(r));
        REQUIRE(theirs.rows_computed(r) == own.rows_computed(r));
        REQUIRE(theirs.rows_staying(r) == own.rows_staying(r));
      }
    }
  }
}

// Fills the home areas, sends rows out, computes, and brings them back.
template <class There, class Back>
void round_trip(world const& w, There there, Back back) {
  all_areas out(w);
  for (rank_id p = 0; p < w.sample.ranks; ++p) out.home[at(p)] = packed_home(w, p);
  there(out);
  all_areas in(w);
  for (rank_id p = 0; p < w.sample.ranks; ++p) {
    REQUIRE(out.grouped[at(p)] == group_area_of(w, p));  // each row in its expert's block
    for (std::size_t i = 0; i < out.grouped[at(p)].size(); ++i)
      in.grouped[at(p)][i] = -out.grouped[at(p)][i];
  }
  back(in);
  for (rank_id p = 0; p < w.sample.ranks; ++p)
    for (std::size_t i = 0; i < out.home[at(p)].size(); ++i)
      REQUIRE(in.home[at(p)][i] == -out.home[at(p)][i]);  // back to where it left from
}

TEST_CASE("schedule: placed by segment, every row reaches its expert and returns", "[schedule]") {
  world w;
  for (std::uint64_t seed = 0; seed < problems; ++seed) {
    CAPTURE(seed);
    make(w, seed);
    auto const there = [&w](all_areas& a) {
      exchange_segments(w, a.home, a.grouped, false);
      move_own(w, a.home, a.grouped, false);
    };
    auto const back = [&w](all_areas& a) {
      exchange_segments(w, a.grouped, a.home, true);
      move_own(w, a.grouped, a.home, true);
    };
    round_trip(w, there, back);
  }
}

TEST_CASE("schedule: packed by peer, every row reaches its expert and returns", "[schedule]") {
  world w;
  for (std::uint64_t seed = 0; seed < problems; ++seed) {
    CAPTURE(seed);
    make(w, seed);
    auto const there = [&w](all_areas& a) {
      exchange_packed(w, a.home, a.staged, false);
      regroup(w, a.staged, a.grouped, false);
      move_own(w, a.home, a.grouped, false);
    };
    auto const back = [&w](all_areas& a) {
      regroup(w, a.grouped, a.staged, true);
      exchange_packed(w, a.staged, a.home, true);
      move_own(w, a.grouped, a.home, true);
    };
    round_trip(w, there, back);
  }
}

}  // namespace
