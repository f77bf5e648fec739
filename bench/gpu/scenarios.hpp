// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llep/plan.hpp>
#include <llep/shape.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::bench {

enum class expert_kind { gptoss, swiglu };

/// A layer of a model, and the tokens of a GPU in the paper's runs.
struct layer_shape {
  std::string_view name;
  expert_kind kind;
  std::int32_t experts;  ///< E
  std::int64_t choices;  ///< K
  std::int64_t hidden;   ///< H
  std::int64_t inner;    ///< F
  std::int64_t tokens;   ///< T

  [[nodiscard]] row_count rows() const { return tokens * choices; }
  /// 3 products of H x F a row, whatever the family.
  [[nodiscard]] double flop_per_row() const {
    return 6.0 * static_cast<double>(hidden) * static_cast<double>(inner);
  }
};

inline constexpr std::array paper_models{
    layer_shape{"gpt-oss-120b", expert_kind::gptoss, 128, 4, 2880, 2880, 32768},
    layer_shape{"DeepSeek-V3", expert_kind::swiglu, 256, 8, 7168, 2048, 16384},
    layer_shape{"Kimi-K2", expert_kind::swiglu, 384, 8, 7168, 2048, 16384}};

/// `percent` of the rows go evenly to the first `hot` experts, the others evenly to the rest; with
/// 0 all experts have as many.
struct scenario {
  int percent = 0;
  int hot = 0;

  [[nodiscard]] std::string name() const {
    if (percent == 0) return "balanced";
    return std::to_string(percent) + "%->" + std::to_string(hot);
  }
};

/// Those of the paper; the ones that tell most come first.
inline constexpr std::array paper_scenarios{
    scenario{80, 4}, scenario{0, 0},  scenario{95, 1}, scenario{50, 16}, scenario{30, 16},
    scenario{80, 1}, scenario{95, 4}, scenario{50, 4}, scenario{30, 4},  scenario{80, 16},
    scenario{50, 1}, scenario{30, 1}, scenario{95, 16}};

/// Speedup of LLEP over EP in the paper, on 8 H200.
[[nodiscard]] inline std::optional<double> paper_speedup(std::string_view model,
                                                         scenario const& in) {
  struct row {
    std::string_view model;
    int hot;
    std::array<double, 5> speedup;  // balanced, 30, 50, 80, 95 %
  };
  constexpr std::array rows{
      row{"gpt-oss-120b", 16, {1.07, 1.73, 2.85, 4.37, 5.19}},
      row{"gpt-oss-120b", 4, {1.07, 2.09, 3.05, 4.47, 5.22}},
      row{"gpt-oss-120b", 1, {1.07, 2.41, 3.48, 5.26, 6.11}},
      row{"DeepSeek-V3", 16, {0.92, 1.69, 2.65, 3.83, 4.59}},
      row{"DeepSeek-V3", 4, {0.92, 1.76, 2.83, 3.64, 4.64}},
      row{"DeepSeek-V3", 1, {0.92, 1.96, 2.77, 4.23, 5.13}},
      row{"Kimi-K2", 16, {1.03, 1.80, 2.73, 4.01, 4.83}},
      row{"Kimi-K2", 4, {1.03, 1.94, 2.85, 3.96, 4.67}},
      row{"Kimi-K2", 1, {1.03, 1.48, 2.74, 4.09, 5.03}},
  };
  constexpr std::array percents{0, 30, 50, 80, 95};
  for (row const& r : rows)
    for (std::size_t i = 0; i < percents.size(); ++i)
      if (r.model == model && percents[i] == in.percent && (in.percent == 0 || r.hot == in.hot))
        return r.speedup[i];
  return std::nullopt;
}

/// Rows of one rank by expert: `rows` in all.
[[nodiscard]] inline std::vector<row_count> rows_by_expert(row_count rows, std::int32_t experts,
                                                           scenario const& in) {
  std::vector<row_count> load(static_cast<std::size_t>(experts), 0);
  auto const share_out = [&load](row_count of, std::size_t first, std::size_t count) {
    auto const n = static_cast<row_count>(count);
    for (row_count i = 0; i < n; ++i)
      load[first + static_cast<std::size_t>(i)] = of * (i + 1) / n - of * i / n;
  };
  auto const hot = in.percent == 0 ? 0 : static_cast<std::size_t>(in.hot);
  row_count const to_hot = rows * in.percent / 100;
  if (hot > 0) share_out(to_hot, 0, hot);
  share_out(rows - to_hot, hot, load.size() - hot);
  return load;
}

/// A step of ranks that have as many rows each, in the same scenario.
struct posed_problem {
  std::int32_t ranks;
  std::vector<rank_id> owner;
  std::vector<row_count> load, counts;

  posed_problem(std::int32_t of, row_count rows_each, std::int32_t experts, scenario const& in)
      : ranks(of),
        owner(contiguous_owners(experts, of)),
        load(rows_by_expert(rows_each, experts, in)) {
    for (std::int32_t r = 0; r < ranks; ++r) counts.insert(counts.end(), load.begin(), load.end());
    for (row_count& n : load) n *= ranks;
  }
  [[nodiscard]] problem view() const { return {ranks, owner, load, counts}; }
};

/// The experts of a rank's rows in (token, choice) order, at random. A token may name one several
/// times: 95 % of the rows on one expert isn't to be had otherwise.
[[nodiscard]] inline std::vector<std::int32_t> random_ids(std::vector<row_count> const& load,
                                                          std::uint64_t seed) {
  std::vector<std::int32_t> ids;
  ids.reserve(static_cast<std::size_t>(std::accumulate(load.begin(), load.end(), row_count{0})));
  for (std::size_t e = 0; e < load.size(); ++e)
    ids.insert(ids.end(), static_cast<std::size_t>(load[e]), static_cast<std::int32_t>(e));
  testing::seeded random(seed);
  for (std::size_t i = ids.size(); i > 1; --i)
    std::swap(ids[i - 1],
              ids[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  return ids;
}

}  // namespace llep::bench
