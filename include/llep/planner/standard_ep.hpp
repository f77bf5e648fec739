// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/concepts/planner.hpp>
#include <llep/digest.hpp>

namespace llep {

/// Standard expert parallelism (the paper's Alg. 1): every row is computed by its expert's owner
/// and no weights move. O(E).
struct standard_ep {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {};

  void plan(problem const& in, memory& /*none*/, llep::plan& out) const {
    out.start(in);
    for (expert_id e = 0; e < in.experts(); ++e) {
      auto const at = static_cast<std::size_t>(e);
      if (in.load[at] > 0) out.give(in, e, in.owner[at], in.load[at]);
    }
  }
  [[nodiscard]] std::uint64_t digest() const { return llep::digest("standard_ep").value(); }
  [[nodiscard]] std::uint64_t digest(memory const& /*none*/) const { return 0; }

  friend constexpr bool operator==(standard_ep const&, standard_ep const&) = default;
};
static_assert(planner<standard_ep>);

}  // namespace llep
