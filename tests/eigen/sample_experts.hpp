// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include <llep/concepts/expert_kernel.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/shape.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

using families = std::tuple<linear_expert<float>, linear_expert<double>, swiglu_expert<float>,
                            swiglu_expert<double>, gptoss_expert<float>, gptoss_expert<double>>;

template <class Family>
Family family_of(std::int64_t hidden, std::int64_t inner) {
  if constexpr (Family::blocks == 1)
    return {hidden};
  else if constexpr (Family::blocks == 3)
    return {hidden, inner};
  else
    return {hidden, inner, 1.702, 0.75};  // a limit that values do reach
}

/// Experts of one family, groups of rows for them with gaps between, and the rows.
template <class Family>
struct sample_experts {
  using T = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;

  Family family;
  std::vector<std::array<std::vector<T>, blocks>> weights;
  std::vector<row_group<blocks>> groups;
  std::vector<row_count> rows_by_group;
  std::vector<T> x;

  sample_experts(seeded& random, std::int64_t hidden, std::int64_t inner,
                 std::vector<row_count> rows)
      : family(family_of<Family>(hidden, inner)), weights(rows.size()), rows_by_group(rows) {
    auto const numbers = [&](std::int64_t n, double scale) {
      std::vector<T> list(at(n));
      for (T& value : list) value = static_cast<T>(scale * (2 * random.real() - 1));
      return list;
    };
    double const scale = 2 / std::sqrt(static_cast<double>(std::max(hidden, inner)));
    row_count next = 0;
    for (std::size_t e = 0; e < rows.size(); ++e) {
      next += random.between(0, 2);  // rows of no group
      row_group<blocks> group{static_cast<expert_id>(e), next, rows[e], {}};
      for (std::size_t b = 0; b < blocks; ++b) {
        weights[e][b] = numbers(family.block_elements()[b], scale);
        group.weights[b] = weights[e][b].data();
      }
      groups.push_back(group);
      next += rows[e];
    }
    x = numbers((next + 1) * hidden, 1);
  }
};

}  // namespace llep::testing
