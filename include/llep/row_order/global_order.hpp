// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/concepts/row_order.hpp>
#include <llep/digest.hpp>

namespace llep {

/// A span is rows [begin, end) of the expert's global row order, as the paper cuts them: rank 0's
/// rows in (token, choice) order, then rank 1's, and so on. O(P x experts with rows + spans).
struct global_order {
  using row_order_concept = row_order_tag;
  struct memory {};

  void arrange(problem const& in, plan const& p, memory& /*none*/, std::vector<piece>& out) const {
    out.clear();
    rank_id src = 0;
    row_count taken = 0;  // rows of src that are placed
    for (row_span const& s : p.spans) {
      if (s.begin == 0) src = 0, taken = 0;
      for (row_count open = s.end - s.begin; open > 0;) {
        row_count const rows = (std::min)(open, in.rows_from(src, s.expert) - taken);
        if (rows > 0) out.push_back({s.expert, src, s.rank, taken, rows});
        taken += rows;
        open -= rows;
        if (open > 0) ++src, taken = 0;
      }
    }
  }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("global_order").value(); }

  friend constexpr bool operator==(global_order const&, global_order const&) = default;
};
static_assert(row_order<global_order>);

}  // namespace llep
