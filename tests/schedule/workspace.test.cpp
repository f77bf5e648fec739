// SPDX-License-Identifier: Apache-2.0
#include <llep/workspace.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <llep/kernel/loops.hpp>
#include <llep/row_order/local_first.hpp>
#include <llep/testing/sample_problem.hpp>

namespace {

using namespace llep;
using testing::seeded;

// A kernel whose scratch hangs on all of its groups. H is 5, F 3, in floats.
struct greedy_kernel : loops_kernel<gptoss_expert<float>> {
  greedy_kernel() : loops_kernel({5, 3}, {}) {}
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    return std::accumulate(rows_by_group.begin(), rows_by_group.end(), std::ssize(rows_by_group),
                           [](row_count sum, row_count rows) { return sum + 100 * rows; });
  }
};
static_assert(expert_kernel<greedy_kernel>);

byte_count aligned(byte_count bytes) { return (bytes + 255) / 256 * 256; }

std::vector<byte_count> parts(workspace_need const& n) {
  return {n.slots, n.home, n.rows_in, n.rows_out, n.staged, n.lent, n.work};
}

struct sizes {
  row_count held = 0;      // rows that the rank's tokens ask for
  row_count computed = 0;  // rows that it computes
  row_count arriving = 0;  // of these, rows of others
  std::int64_t lent = 0;   // experts that it borrows
  std::int64_t groups = 0;
};

sizes sizes_of(problem const& in, plan const& p, std::vector<piece> const& pieces, rank_id r) {
  sizes out;
  for (piece const& a : pieces) {
    if (a.src == r) out.held += a.rows;
    if (a.dst == r) out.computed += a.rows;
    if (a.dst == r && a.src != r) out.arriving += a.rows;
  }
  for (weight_move const& m : p.moves) out.lent += m.to == r ? 1 : 0;
  out.groups = out.lent;
  for (expert_id e = 0; e < in.experts(); ++e) {
    row_count at_home = 0;
    for (row_span const& s : p.spans)
      if (s.expert == e && s.rank == r && in.owner[static_cast<std::size_t>(e)] == r)
        at_home += s.end - s.begin;
    out.groups += at_home > 0 ? 1 : 0;
  }
  return out;
}

std::vector<byte_count> expected_need(sizes const& s, bool staged) {
  byte_count const row = 5 * 4;
  // blocks of 30, 6, 15 and 5 floats, each aligned on its own
  byte_count const expert = 4 * 256;
  return {aligned(s.held * 4),
          aligned(s.held * row),
          aligned(s.computed * row),
          aligned(s.computed * row),
          staged ? aligned(s.arriving * row) : 0,
          s.lent * expert,
          aligned(s.groups + 100 * s.computed)};
}

TEST_CASE("workspace: every rank computes everybody's need, and alike", "[workspace]") {
  greedy_kernel const kernel;
  CHECK(lent_expert_bytes(kernel) == 4 * 256);
  std::vector<schedule> steps(7);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const sample = testing::random_counted(random, random.int32(1, 7), random.int32(1, 9), 40);
    auto const in = sample.view();
    auto const p = testing::random_plan(random, in);
    std::vector<piece> pieces;
    local_first::memory memory;
    local_first{}.arrange(in, p, memory, pieces);
    for (rank_id by = 0; by < in.ranks; ++by)
      steps[static_cast<std::size_t>(by)].build(in, p, pieces, by);
    for (rank_id r = 0; r < in.ranks; ++r)
      for (bool const staged : {false, true}) {
        auto const expected = expected_need(sizes_of(in, p, pieces, r), staged);
        for (rank_id by = 0; by < in.ranks; ++by) {
          auto const need = need_of(steps[static_cast<std::size_t>(by)], r, kernel, staged);
          REQUIRE(parts(need) == expected);
          REQUIRE(need.total() == std::accumulate(expected.begin(), expected.end(), byte_count{0}));
        }
      }
  }
}

TEST_CASE("workspace: the areas follow one another without overlap", "[workspace]") {
  workspace_need need;
  need.slots = 256;
  need.home = 512;
  need.rows_in = 768;
  need.rows_out = 1024;
  need.staged = 1280;
  need.lent = 1536;
  need.work = 1792;
  CHECK(need.total() == 256 * 28);
  std::vector<std::byte> memory(static_cast<std::size_t>(need.total()));
  workspace_areas const areas(memory.data(), need);
  CHECK(reinterpret_cast<std::byte*>(areas.slots) == memory.data());
  std::vector<std::byte*> const begins{areas.home,   areas.rows_in, areas.rows_out,
                                       areas.staged, areas.lent,    areas.work};
  byte_count first = 0;
  auto const bytes = parts(need);
  for (std::size_t i = 0; i < begins.size(); ++i) {
    CAPTURE(i);
    first += bytes[i];
    CHECK(begins[i] - memory.data() == first);
  }
  CHECK(first + need.work == need.total());
}

}  // namespace
