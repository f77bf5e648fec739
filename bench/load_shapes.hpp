// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

#include <llep/shape.hpp>

namespace llep::bench {

/// How rows are spread over experts.
enum class load_shape { balanced, one_hot, zipf, lognormal };

inline constexpr std::array<std::string_view, 4> load_shape_names{"balanced+-5%", "95%->1",
                                                                  "zipf1.2", "lognormal"};
static_assert(load_shape_names.size() == static_cast<std::size_t>(load_shape::lognormal) + 1);

/// Shares of E experts, not yet adding up to anything.
[[nodiscard]] inline std::vector<double> shares(load_shape shape, std::int32_t experts,
                                                std::mt19937_64& random) {
  std::vector<double> share(static_cast<std::size_t>(experts));
  std::uniform_real_distribution<double> within(0.95, 1.05);
  std::lognormal_distribution<double> normal(0, 1);
  for (std::size_t e = 0; e < share.size(); ++e) {
    if (shape == load_shape::balanced) share[e] = within(random);
    if (shape == load_shape::one_hot)
      share[e] = e == 0 ? 0.95 : 0.05 / static_cast<double>(share.size() - 1);
    if (shape == load_shape::zipf) share[e] = std::pow(static_cast<double>(e + 1), -1.2);
    if (shape == load_shape::lognormal) share[e] = normal(random);
  }
  if (shape == load_shape::zipf) std::shuffle(share.begin(), share.end(), random);
  return share;
}

/// About `total` rows over E experts.
[[nodiscard]] inline std::vector<row_count> loads(load_shape shape, std::int32_t experts,
                                                  row_count total, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  auto const share = shares(shape, experts, random);
  double const all = std::accumulate(share.begin(), share.end(), 0.0);
  std::vector<row_count> load;
  for (double const s : share)
    load.push_back(static_cast<row_count>(s / all * static_cast<double>(total)));
  return load;
}

}  // namespace llep::bench
