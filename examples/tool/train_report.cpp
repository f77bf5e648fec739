// SPDX-License-Identifier: Apache-2.0
#include "train_report.hpp"

#include <cstddef>
#include <ostream>
#include <string>

#include "words.hpp"

namespace llep::tool {
namespace {

void write_heading(std::ostream& out, train_comparison const& both) {
  train::setup const& how = both.how;
  out << "A byte-level language model, trained twice from the same seed: under EP and under "
         "LLEP\n\n"
      << "  text     " << both.text << ", " << bytes_text(both.text_bytes) << '\n'
      << "  model    " << how.layers << " MoE layers, E = " << how.experts
      << ", K = " << how.choices << ", H = " << how.hidden << ", F = " << how.inner
      << ", f64, Adam; no auxiliary loss\n"
      << "  ranks    " << how.ranks << " emulated, " << how.tokens << " tokens each a step\n"
      << "  LLEP     planner least_loaded, alpha = 1, m = " << both.min_tokens << "; kernel "
      << both.kernel << "\n\n"
      << "   step      loss, EP    loss, LLEP   max/mean, EP -> LLEP   moves\n";
}

void write_step(std::ostream& out, train_comparison const& both, std::size_t step) {
  auto const& ep = both.ep.steps[step];
  auto const& llep = both.llep.steps[step];
  out << at_right(std::to_string(step + 1), 7) << at_right(fixed(ep.loss, 8), 14)
      << at_right(fixed(llep.loss, 8), 14) << at_right(fixed(ep.max_over_mean, 2), 14) << " -> "
      << fixed(llep.max_over_mean, 2) << at_right(std::to_string(llep.moves), 13) << '\n';
}

}  // namespace

void write_train_report(std::ostream& out, train_comparison const& both) {
  write_heading(out, both);
  std::size_t const steps = both.llep.steps.size();
  std::size_t const stride = steps < 10 ? 1 : steps / 10;
  for (std::size_t step = 0; step < steps; step += stride) write_step(out, both, step);
  if ((steps - 1) % stride != 0) write_step(out, both, steps - 1);
  train_summary const sum(both);
  out << "\nsummary, " << steps << " steps\n"
      << "  loss            " << fixed(sum.first_loss, 3) << " -> " << fixed(sum.last_loss, 3)
      << " nats a byte\n"
      << "  EP and LLEP     losses differ by at most " << scientific(sum.largest_difference) << ": "
      << (sum.agrees() ? "rounding" : "MORE than rounding: this must not be") << '\n'
      << "  max/mean        " << fixed(sum.max_over_mean_ep, 2) << " -> "
      << fixed(sum.max_over_mean, 2) << ", mean of all steps and layers\n"
      << "  moved           " << fixed(sum.moves_a_step, 1) << " experts lent in a step\n"
      << "  peak memory     busiest rank " << bytes_text(both.ep.peak_bytes) << " -> "
      << bytes_text(both.llep.peak_bytes) << ", besides its own weights\n";
}

}  // namespace llep::tool
