// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/concepts/planner.hpp>
#include <llep/detail/least_tree.hpp>
#include <llep/detail/radix_sort.hpp>
#include <llep/digest.hpp>
#include <llep/planner/capacity.hpp>

namespace llep {

/// Least-loaded assignment, the paper's Alg. 2 (LLA) and Alg. 3 (LLAS): experts by falling load;
/// what its owner has no room for goes in chunks to the ranks that are least loaded then.
///
/// Takes every valid problem: any owners, ranks without experts, totals up to 2^63 - 1.
/// Cost: O(E x bytes of the largest load + (E + chunks) log P); no allocation once its
/// memory has grown.
struct least_loaded {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;

  capacity_factor alpha{};
  chunk_rows min_chunk_rows{};
  lla_rules rules = lla_rules::ceil;
  /// All of an expert's rows stay with its owner where fewer than min_chunk_rows would spill (the
  /// paper's text; neither its pseudo-code nor the public code does it).
  bool keep_small_excess_home = false;

  struct memory {
    std::vector<detail::radix_sort::entry> order{};  // experts with rows, by falling load
    detail::radix_sort sort{};
    std::vector<row_count> load{};  // by rank: assigned plus native rows not yet visited
    std::vector<rank_id> tried{};   // ranks taken out of a pass of the reference rules
    detail::least_tree least{};
  };

  void plan(problem const& in, memory& m, llep::plan& out) const {
    out.start(in);
    row_count const total = start(in, m);
    row_count const limit = capacity(rules, alpha, total, in.ranks);
    m.least.start(m.load);
    for (auto const& visited : m.order) {
      expert_id const e = visited.value;
      auto const at = static_cast<std::size_t>(e);
      rank_id const owner = in.owner[at];
      row_count const rows = in.load[at];
      // the owner's load without this expert's rows, which were counted as pending
      row_count const others = m.least.key(owner) - rows;
      row_count const home = rows_at_home(rows, limit - others, in.ranks);
      if (home > 0) out.give(in, e, owner, home);
      if (home == rows) continue;
      m.least.set(owner, others + home);
      spill(in, m, out, {e, rows - home, limit, home == 0});
    }
  }

  [[nodiscard]] std::uint64_t digest() const {
    // of what a plan hangs on: alphas that round to the same millionths make the same plans
    auto sum = llep::digest("least_loaded");
    if (rules == lla_rules::reference) sum.add(std::bit_cast<std::uint64_t>(alpha.exact()));
    return sum.add(alpha.millionths())
        .add(min_chunk_rows.value())
        .add(static_cast<std::int32_t>(rules))
        .add(keep_small_excess_home)
        .value();
  }
  [[nodiscard]] std::uint64_t digest(memory const& /*scratch only*/) const { return 0; }

  friend constexpr bool operator==(least_loaded const&, least_loaded const&) = default;

 private:
  struct excess {
    expert_id expert;
    row_count rows;
    row_count limit;
    bool all_of_it;  // the owner keeps nothing
  };

  // Fills m.order and m.load; returns the total.
  static row_count start(problem const& in, memory& m) {
    m.order.clear();
    m.load.assign(static_cast<std::size_t>(in.ranks), 0);
    row_count const most = in.load.empty() ? 0 : *std::max_element(in.load.begin(), in.load.end());
    row_count total = 0;
    std::uint64_t key_bits = 0;
    for (std::size_t e = 0; e < in.load.size(); ++e) {
      if (in.load[e] == 0) continue;
      auto const below_most = static_cast<std::uint64_t>(most - in.load[e]);  // rises
      m.order.push_back({below_most, static_cast<expert_id>(e)});
      m.load[static_cast<std::size_t>(in.owner[e])] += in.load[e];
      total += in.load[e];
      key_bits |= below_most;
    }
    m.sort(m.order, key_bits);
    return total;
  }

  [[nodiscard]] row_count rows_at_home(row_count rows, row_count room, std::int32_t ranks) const {
    row_count const fitting = std::clamp(room, row_count{0}, rows);
    bool const too_few_to_lend = keep_small_excess_home && rows - fitting < min_chunk_rows.value();
    // one rank has nobody to spill to
    return ranks == 1 || too_few_to_lend ? rows : fitting;
  }

  // Alg. 3. A chunk below min_chunk_rows is taken only if it is all that is left. Room falls as
  // load rises, so when the least loaded rank's chunk won't do, no other rank's will: one look is
  // enough.
  void spill(problem const& in, memory& m, llep::plan& out, excess left) const {
    rank_id const owner = in.owner[static_cast<std::size_t>(left.expert)];
    // The public code sorts the ranks once when the owner keeps nothing: a rank is then tried once,
    // and what nobody takes goes to the rank that came first.
    bool const one_pass = rules == lla_rules::reference && left.all_of_it;
    rank_id const head = least_of_others(m, owner);
    m.tried.clear();
    while (left.rows > 0) {
      rank_id rank = least_of_others(m, owner);
      row_count const room = left.limit - m.least.key(rank);
      row_count chunk = (std::min)(left.rows, room);
      bool const worth = chunk > 0 && (chunk >= min_chunk_rows.value() || chunk == left.rows);
      if (!worth) {
        chunk = left.rows;
        if (one_pass) rank = head;
      }
      out.give(in, left.expert, rank, chunk);
      left.rows -= chunk;
      hand_over(m, rank, chunk, one_pass);
    }
    for (rank_id const rank : m.tried) m.least.set(rank, m.load[static_cast<std::size_t>(rank)]);
  }

  // The least loaded rank besides the owner, which is seldom the least loaded one itself.
  static rank_id least_of_others(memory& m, rank_id owner) {
    rank_id const least = m.least.least();
    if (least != owner) return least;
    row_count const load = m.least.key(owner);
    m.least.set(owner, detail::least_tree::never);
    rank_id const next = m.least.least();
    m.least.set(owner, load);
    return next;
  }

  // Counts the chunk. In one pass the rank steps aside, its load kept in m.load until the pass
  // ends.
  static void hand_over(memory& m, rank_id rank, row_count chunk, bool one_pass) {
    row_count const before = m.least.key(rank);
    if (!one_pass) {
      m.least.set(rank, before + chunk);
      return;
    }
    auto& kept = m.load[static_cast<std::size_t>(rank)];
    bool const tried = before == detail::least_tree::never;
    kept = (tried ? kept : before) + chunk;
    if (tried) return;
    m.tried.push_back(rank);
    m.least.set(rank, detail::least_tree::never);
  }
};
static_assert(planner<least_loaded>);

}  // namespace llep
