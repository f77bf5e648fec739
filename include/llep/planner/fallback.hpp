// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/concepts/imbalance_test.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/digest.hpp>
#include <llep/imbalance/tests.hpp>
#include <llep/planner/standard_ep.hpp>

namespace llep {

/// Plans with `primary` when the loads are uneven and with `otherwise` when they aren't (the
/// paper's Alg. 4, line 1). A planner itself, so it nests. O(P + E) besides the planner chosen.
template <planner Primary, imbalance_test Test = per_rank, planner Otherwise = standard_ep>
struct fallback {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = Primary::needs_counts || Otherwise::needs_counts;

  struct memory {
    typename Primary::memory primary{};
    typename Otherwise::memory otherwise{};
    std::vector<row_count> rank_loads{};
  };

  [[no_unique_address]] Primary primary{};
  [[no_unique_address]] Test uneven{};
  [[no_unique_address]] Otherwise otherwise{};

  void plan(problem const& in, memory& kept, llep::plan& out) const {
    kept.rank_loads.assign(static_cast<std::size_t>(in.ranks), 0);
    for (std::size_t e = 0; e < in.load.size(); ++e)
      kept.rank_loads[static_cast<std::size_t>(in.owner[e])] += in.load[e];
    if (uneven(kept.rank_loads, in.load))
      primary.plan(in, kept.primary, out);
    else
      otherwise.plan(in, kept.otherwise, out);
  }
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("fallback")
        .add(primary.digest())
        .add(uneven.digest())
        .add(otherwise.digest())
        .value();
  }
  [[nodiscard]] std::uint64_t digest(memory const& kept) const {
    std::uint64_t const first = primary.digest(kept.primary);
    std::uint64_t const second = otherwise.digest(kept.otherwise);
    return first == 0 && second == 0 ? 0 : llep::digest().add(first).add(second).value();
  }

  friend bool operator==(fallback const&, fallback const&) = default;
};

}  // namespace llep
