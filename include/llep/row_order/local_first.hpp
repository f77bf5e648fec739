// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/concepts/row_order.hpp>
#include <llep/digest.hpp>

namespace llep {

/// Each rank first keeps its own first min(quota, own rows) rows of an expert; the rest fills what
/// is open, rank by rank in the order of their first spans, sources ascending. The plan's sizes
/// stay, fewer rows travel.
/// O(P x experts with rows + spans).
struct local_first {
  using row_order_concept = row_order_tag;
  struct memory {
    std::vector<row_count> quota{};  // by rank: rows of the expert it computes, still open
    std::vector<row_count> kept{};   // by rank: its own first rows, which stay
  };

  void arrange(problem const& in, plan const& p, memory& m, std::vector<piece>& out) const {
    out.clear();
    m.quota.assign(static_cast<std::size_t>(in.ranks), 0);
    m.kept.assign(static_cast<std::size_t>(in.ranks), 0);
    for (auto first = p.spans.begin(); first != p.spans.end();) {
      auto const other = [e = first->expert](row_span const& s) { return s.expert != e; };
      auto const last = std::find_if(first, p.spans.end(), other);
      keep(in, {first, last}, m, out);
      fill(in, {first, last}, m, out);
      for (auto s = first; s != last; ++s) m.kept[static_cast<std::size_t>(s->rank)] = 0;
      first = last;
    }
  }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("local_first").value(); }

  friend constexpr bool operator==(local_first const&, local_first const&) = default;

 private:
  struct expert_spans {
    std::vector<row_span>::const_iterator first, last;
    [[nodiscard]] auto begin() const { return first; }
    [[nodiscard]] auto end() const { return last; }
  };

  static void keep(problem const& in, expert_spans spans, memory& m, std::vector<piece>& out) {
    for (row_span const& s : spans) m.quota[static_cast<std::size_t>(s.rank)] += s.end - s.begin;
    for (row_span const& s : spans) {
      auto const rank = static_cast<std::size_t>(s.rank);
      row_count const own = (std::min)(m.quota[rank], in.rows_from(s.rank, s.expert));
      if (m.kept[rank] > 0 || own == 0) continue;  // a second span of the rank: kept already
      m.kept[rank] = own;
      m.quota[rank] -= own;
      out.push_back({s.expert, s.rank, s.rank, 0, own});
    }
  }

  // Leaves every quota at 0.
  static void fill(problem const& in, expert_spans spans, memory& m, std::vector<piece>& out) {
    rank_id src = 0;
    row_count taken = m.kept[0];
    for (row_span const& s : spans) {
      auto& open = m.quota[static_cast<std::size_t>(s.rank)];
      while (open > 0) {
        row_count const rows = (std::min)(open, in.rows_from(src, s.expert) - taken);
        if (rows > 0) out.push_back({s.expert, src, s.rank, taken, rows});
        taken += rows;
        open -= rows;
        if (open > 0) taken = m.kept[static_cast<std::size_t>(++src)];
      }
    }
  }
};
static_assert(row_order<local_first>);

}  // namespace llep
