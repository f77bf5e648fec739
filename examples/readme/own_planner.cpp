// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <llep/llep.hpp>
#include <vector>

/// Cuts every expert's rows into P even parts: perfectly balanced, and the most moves there can be.
struct split_evenly {
  using planner_concept = llep::planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {};

  void plan(llep::problem const& in, memory&, llep::plan& out) const {
    out.start(in);
    for (int e = 0; e < in.experts(); ++e)
      for (int r = 0; r < in.ranks; ++r)
        if (auto n = in.load[e] * (r + 1) / in.ranks - in.load[e] * r / in.ranks; n > 0)
          out.give(in, e, r, n);
  }
  std::uint64_t digest() const { return llep::digest("split_evenly").value(); }
  std::uint64_t digest(memory const&) const { return 0; }
  friend bool operator==(split_evenly const&, split_evenly const&) = default;
};
static_assert(llep::planner<split_evenly>);

int main() {
  auto const owner = llep::contiguous_owners(4, 2);
  std::vector<llep::row_count> const load{90, 3, 0, 7};
  llep::problem const in{2, owner, load, {}};
  split_evenly::memory memory;
  llep::plan out;
  split_evenly{}.plan(in, memory, out);
  llep::validate(in, out);  // throws, naming the expert, if an invariant is broken
  for (auto const& s : out.spans)
    std::printf("expert %d: rank %d computes rows %lld to %lld\n", s.expert, s.rank,
                static_cast<long long>(s.begin), static_cast<long long>(s.end));
}
