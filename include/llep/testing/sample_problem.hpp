// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::testing {

/// A problem that owns its lists.
struct sample_problem {
  std::int32_t ranks = 1;
  std::vector<rank_id> owner;
  std::vector<row_count> load;
  std::vector<row_count> counts;  // [P][E] or empty

  [[nodiscard]] problem view() const { return {ranks, owner, load, counts}; }
  [[nodiscard]] std::int32_t experts() const { return static_cast<std::int32_t>(load.size()); }
};

/// Contiguous, in turns, anyhow, on a few ranks only or all on one.
inline std::vector<rank_id> random_owners(seeded& random, std::int32_t experts,
                                          std::int32_t ranks) {
  auto const kind = random.below(8);
  if (kind < 3) return contiguous_owners(experts, ranks);
  std::vector<rank_id> owner(static_cast<std::size_t>(experts));
  rank_id const first = random.int32(0, ranks - 1);
  auto const some = random.between(1, ranks - first);
  for (std::size_t e = 0; e < owner.size(); ++e) {
    if (kind == 3) owner[e] = static_cast<rank_id>(e) % ranks;
    if (kind == 4 || kind == 5) owner[e] = static_cast<rank_id>(random.below(ranks));
    if (kind == 6) owner[e] = static_cast<rank_id>(first + random.below(some));
    if (kind == 7) owner[e] = first;
  }
  return owner;
}

/// Other loads for the same ranks and owners: counts of up to `most` rows a rank and expert, many
/// of them 0; ranks and experts without rows.
inline void draw_counts(seeded& random, sample_problem& out, row_count most) {
  auto const each = out.owner.size();
  out.load.assign(each, 0);
  out.counts.assign(static_cast<std::size_t>(out.ranks) * each, 0);
  std::vector<int> hotness(each);
  for (int& percent : hotness) percent = random.one_of({0, 30, 60, 100});
  for (std::size_t p = 0; p < static_cast<std::size_t>(out.ranks); ++p) {
    if (random.chance(15)) continue;
    for (std::size_t e = 0; e < each; ++e) {
      if (!random.chance(hotness[e])) continue;
      out.counts[p * each + e] = random.between(1, most);
      out.load[e] += out.counts[p * each + e];
    }
  }
}

/// Other loads likewise, with a total of up to 2^63 - 1, each from one rank.
inline void draw_huge(seeded& random, sample_problem& out) {
  auto const each = out.owner.size();
  out.load.assign(each, 0);
  out.counts.assign(static_cast<std::size_t>(out.ranks) * each, 0);
  row_count left = (std::numeric_limits<row_count>::max)();
  for (std::size_t e = 0; e < each; ++e) {
    row_count const rows = random.chance(20) ? left : random.between(0, left);
    left -= rows;
    out.load[e] = rows;
    out.counts[static_cast<std::size_t>(random.below(out.ranks)) * each + e] = rows;
  }
}

/// A problem with owners of any kind and counts of up to `most`.
inline sample_problem random_counted(seeded& random, std::int32_t ranks, std::int32_t experts,
                                     row_count most) {
  sample_problem out{ranks, random_owners(random, experts, ranks), {}, {}};
  draw_counts(random, out, most);
  return out;
}

/// Other loads as tests want them: mostly small; none at all, or a total of 2^63 - 1.
inline void draw_loads(seeded& random, sample_problem& out) {
  auto const kind = random.below(12);
  if (kind == 0) return draw_huge(random, out);
  draw_counts(random, out, kind == 1 ? 500 : 40);
  if (kind != 2) return;
  out.load.assign(out.load.size(), 0);
  out.counts.assign(out.counts.size(), 0);
}

/// A problem as tests want them: mostly small; among them empty ones, single ranks, more ranks than
/// experts, and totals of 2^63 - 1.
inline sample_problem any_problem(seeded& random) {
  auto const kind = random.below(12);
  auto const ranks = kind == 0 ? 1 : kind == 1 ? random.int32(30, 70) : random.int32(1, 9);
  auto const experts = random.int32(1, kind == 1 ? 150 : 20);
  sample_problem out{ranks, random_owners(random, experts, ranks), {}, {}};
  draw_loads(random, out);
  return out;
}

/// Any valid plan: experts in any order, spans of any size on any rank, a rank more than once.
inline plan random_plan(seeded& random, problem const& in) {
  plan out;
  out.start(in);
  for (expert_id const e : random.order<expert_id>(in.experts())) {
    row_count open = in.load[static_cast<std::size_t>(e)];
    bool const whole = random.chance(25);
    while (open > 0) {
      row_count const rows = whole ? open : random.between(1, open);
      bool const home = random.chance(30);
      out.give(in, e, home ? in.owner[static_cast<std::size_t>(e)] : random.int32(0, in.ranks - 1),
               rows);
      open -= rows;
    }
  }
  return out;
}

}  // namespace llep::testing
