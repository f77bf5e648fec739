// SPDX-License-Identifier: Apache-2.0
#include "demo_report.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "bars.hpp"
#include "demo_totals.hpp"
#include "plan_facts.hpp"
#include "words.hpp"

namespace llep::tool {
namespace {

template <class T>
double most(std::vector<T> const& by_rank) {
  return static_cast<double>(*std::max_element(by_rank.begin(), by_rank.end()));
}

template <class T>
double mean(std::vector<T> const& by_rank) {
  return static_cast<double>(std::accumulate(by_rank.begin(), by_rank.end(), T{0})) /
         static_cast<double>(by_rank.size());
}

std::string change(row_count before, row_count after) {
  return std::to_string(before) + " -> " + std::to_string(after);
}
std::string bytes_change(byte_count before, byte_count after) {
  return bytes_text(before) + " -> " + bytes_text(after);
}

// ---- bars ------------------------------------------------------------------------------------

constexpr std::size_t name_width = 9;
constexpr std::size_t value_width = 10;
constexpr std::size_t bar_width = 31;
constexpr std::size_t side_width = value_width + 1 + bar_width;

void write_side_by_side(std::ostream& out, std::string const& name, std::string const& left,
                        std::string const& right) {
  auto line = at_left(name, name_width) + at_left(left, side_width) + "  " + right;
  out << line.erase(line.find_last_not_of(' ') + 1) << '\n';
}

// In which order ranks are shown; where there are many, only those with the largest values.
template <class T>
std::vector<std::size_t> ranks_shown(std::vector<T> const& values) {
  constexpr std::size_t many = 16;
  constexpr std::size_t shown_of_many = 8;
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (order.size() <= many) return order;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(shown_of_many);
  return order;
}

/// Two values for every rank, side by side; `words` makes a text of one.
template <class T, class Words>
void write_bars(std::ostream& out, std::vector<T> const& left, std::vector<T> const& right,
                double largest, Words words) {
  auto const side = [&](std::vector<T> const& values, std::size_t rank) {
    return at_right(words(values[rank]), value_width) + ' ' +
           bar(static_cast<double>(values[rank]), mean(values), largest, bar_width);
  };
  auto const order = ranks_shown(left);
  for (std::size_t const r : order)
    write_side_by_side(out, "  rank " + at_right(std::to_string(r), 2), side(left, r),
                       side(right, r));
  if (order.size() == left.size()) return;
  auto const [least_left, most_left] = std::minmax_element(left.begin(), left.end());
  auto const [least_right, most_right] = std::minmax_element(right.begin(), right.end());
  out << "  of all " << left.size() << " ranks: least " << words(*least_left) << " -> "
      << words(*least_right) << ", most " << words(*most_left) << " -> " << words(*most_right)
      << '\n';
}

// ---- the parts -------------------------------------------------------------------------------

void write_heading(std::ostream& out, demo_comparison const& both) {
  demo_input const& in = *both.input;
  routing_trace const& trace = *both.trace;
  out << "One MoE step, layer by layer, under standard expert parallelism (EP) and under LLEP\n\n"
      << "  routing  recorded: " << trace.name << ", " << in.tokens << " tokens, " << in.experts
      << " experts, " << in.choices << " a token, " << in.layers.size() << " of "
      << trace.layer_ids.size() << " layers\n"
      << "  model    " << trace.model << '\n'
      << "  experts  swiglu, f32, seeded weights, H = " << in.hidden << ", F = " << in.inner << '\n'
      << "           (the model has 2048 and 1408: its routing is real, these experts are small)\n"
      << "  ranks    " << in.ranks << ' ' << both.ranks << "; experts in contiguous blocks\n"
      << "  LLEP     planner least_loaded, alpha = 1, m = " << both.min_tokens << " rows; kernel "
      << both.kernel << '\n'
      << "  bars     # what a rank has, | the mean\n";
}

double largest_rows(demo_comparison const& both) {
  double largest = 0;
  for (auto const* mode : {&both.ep, &both.llep})
    for (demo_outcome const& o : *mode) largest = std::max(largest, most(o.rows));
  return largest;
}

void write_layer(std::ostream& out, demo_comparison const& both, std::size_t n, double largest) {
  demo_outcome const& ep = both.ep[n];
  demo_outcome const& llep = both.llep[n];
  demo_input const& in = *both.input;
  out << '\n';
  write_side_by_side(out, "layer " + std::to_string(in.layers[n].id),
                     "       EP: rows, max/mean " + fixed(max_over_mean(ep.rows), 2),
                     "       LLEP: rows, max/mean " + fixed(max_over_mean(llep.rows), 2));
  write_bars(out, ep.rows, llep.rows, largest, [](row_count rows) { return std::to_string(rows); });
  auto const moves = std::ssize(llep.made.moves);
  out << "  " << moves << " experts lent (" << bytes_text(moves * in.expert_bytes())
      << " of weights) to compute " << llep.spilled_rows << " spilled rows of " << in.rows()
      << "\n  rows that travel, out and back: " << change(ep.travelling_rows, llep.travelling_rows)
      << " ("
      << bytes_change(2 * ep.travelling_rows * in.row_bytes(),
                      2 * llep.travelling_rows * in.row_bytes())
      << ")\n  busiest rank computes " << fixed(1e3 * most_seconds(ep), 1) << " ms -> "
      << fixed(1e3 * most_seconds(llep), 1) << " ms (" << both.clock << " time in the kernel)\n";
}

void write_memory(std::ostream& out, demo_comparison const& both) {
  auto const ep = demo_totals(both.ep).peaks;
  auto const llep = demo_totals(both.llep).peaks;
  out << '\n';
  write_side_by_side(out, "memory", "       EP: peak of a rank", "       LLEP: peak of a rank");
  write_bars(out, ep, llep, std::max(most(ep), most(llep)), bytes_text);
  out << "  workspace over all layers: rows, lent weights, scratch; not the rank's own weights\n";
}

std::string outputs_words(demo_comparison const& both) {
  if (both.identical) return "bit-identical in every layer";
  auto const most = scientific(both.difference) + " of the largest";
  return both.agrees ? "equal within rounding in every layer: they differ by at most " + most
                     : "DIFFER by up to " + most + ": this must not be";
}

void write_summary(std::ostream& out, demo_comparison const& both) {
  demo_totals const ep(both.ep);
  demo_totals const llep(both.llep);
  demo_input const& in = *both.input;
  out << "\nsummary, EP -> LLEP, "
      << (both.ep.size() == 1 ? "1 layer" : std::to_string(both.ep.size()) + " layers") << '\n'
      << "  rows, max/mean  " << fixed(ep.average, 2) << " -> " << fixed(llep.average, 2)
      << " on average, " << fixed(ep.worst, 2) << " -> " << fixed(llep.worst, 2) << " at worst\n"
      << "  compute time    busiest ranks " << fixed(1e3 * ep.seconds, 0) << " ms -> "
      << fixed(1e3 * llep.seconds, 0) << " ms: " << fixed(ep.seconds / llep.seconds, 2)
      << " times as fast\n"
      << "  moved           " << llep.moves << " experts' weights ("
      << bytes_text(llep.moves * in.expert_bytes()) << "); " << llep.spilled << " spilled rows ("
      << bytes_text(2 * llep.spilled * in.row_bytes()) << " there and back)\n"
      << "  peak memory     busiest rank " << bytes_text(ep.peak()) << " -> "
      << bytes_text(llep.peak()) << '\n'
      << "  outputs         " << outputs_words(both) << '\n';
}

}  // namespace

void write_demo_report(std::ostream& out, demo_comparison const& both) {
  write_heading(out, both);
  double const largest = largest_rows(both);
  for (std::size_t n = 0; n < both.ep.size(); ++n) write_layer(out, both, n, largest);
  write_memory(out, both);
  write_summary(out, both);
}

}  // namespace llep::tool
