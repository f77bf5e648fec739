// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iosfwd>
#include <string>

#include <llep/shape.hpp>

#include "train/training_run.hpp"

namespace llep::tool {

/// The same training under standard EP and under LLEP.
struct train_comparison {
  train::setup how;
  std::string text;  ///< where it comes from
  byte_count text_bytes = 0;
  std::string kernel;
  row_count min_tokens = 0;  ///< m
  train::history ep{};
  train::history llep{};
};

struct train_summary {
  double first_loss = 0;
  double last_loss = 0;
  double largest_difference = 0;  ///< of the two losses, over the steps
  double max_over_mean_ep = 0;    ///< mean over the steps
  double max_over_mean = 0;
  double moves_a_step = 0;

  explicit train_summary(train_comparison const& both) {
    auto const& ep = both.ep.steps;
    auto const& llep = both.llep.steps;
    first_loss = llep.front().loss;
    last_loss = llep.back().loss;
    auto const steps = static_cast<double>(llep.size());
    for (std::size_t i = 0; i < llep.size(); ++i) {
      double const gap = std::abs(ep[i].loss - llep[i].loss);
      if (!(gap <= largest_difference) && !std::isnan(largest_difference))
        largest_difference = gap;  // a NaN stays
      max_over_mean_ep += ep[i].max_over_mean / steps;
      max_over_mean += llep[i].max_over_mean / steps;
      moves_a_step += static_cast<double>(llep[i].moves) / steps;
    }
  }

  /// What sums in another order make of double precision in some hundreds of steps.
  static constexpr double rounding = 1e-9;
  [[nodiscard]] bool agrees() const { return largest_difference <= rounding; }
};

/// Writes it as text of at most 100 columns, ASCII only.
void write_train_report(std::ostream& out, train_comparison const& both);

}  // namespace llep::tool
