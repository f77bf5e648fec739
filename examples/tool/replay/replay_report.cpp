// SPDX-License-Identifier: Apache-2.0
#include "replay_report.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <set>
#include <sstream>
#include <string_view>

#include "../input_error.hpp"
#include "../words.hpp"
#include "replay_summary.hpp"

namespace llep::tool {
namespace {

constexpr std::size_t columns = 100;
constexpr std::size_t name_width = 23;

// Text from the trace: ASCII, in what a line leaves for it.
std::string plain(std::string_view text, std::size_t most) {
  std::string ascii(text);
  for (char& c : ascii)
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  return shown(ascii, ascii.size() > most ? most - 3 : most);
}

// In at most five characters: 1.35, 17.2, 12345, 123k, 1.1M.
std::string brief(double value) {
  constexpr std::string_view units = "kMGTPE";
  if (value < 9.995) return fixed(value, 2);
  if (value < 99.95) return fixed(value, 1);
  if (value < 99'999.5) return fixed(value, 0);
  std::size_t unit = 0;
  for (value /= 1000; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1000;
  return fixed(value, value < 99.95 ? 1 : 0) + units[unit];
}
std::string brief(std::int64_t count) {
  return count < 100'000 ? std::to_string(count) : brief(static_cast<double>(count));
}

std::string change(double before, double after) {
  return at_right(brief(before), 5) + " -> " + at_right(brief(after), 5);
}

std::string percent(double part, double whole) {
  return fixed(whole > 0 ? 100 * part / whole : 0, 1) + " %";
}

// As few digits as tell it from every other number: 1.3.
std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
std::string text_of(imbalance_threshold threshold) { return shortest(as_number(threshold)); }

// ---- what is replayed ------------------------------------------------------------------------

std::string size_of(load_trace const& trace) {
  std::set<std::int64_t> steps;
  std::set<std::int64_t> layers;
  for (trace_pair const& pair : trace.pairs) {
    steps.insert(pair.step);
    layers.insert(pair.layer);
  }
  return std::to_string(trace.pairs.size()) +
         " (step, layer) pairs; steps: " + std::to_string(steps.size()) +
         ", layers: " + std::to_string(layers.size());
}

std::string experts_of(load_trace const& trace) {
  auto text = std::to_string(trace.experts);
  if (trace.choices > 0) text += ", " + std::to_string(trace.choices) + " a token";
  if (!trace.experts_said) text += " (the largest id seen, and one: --experts isn't given)";
  return text;
}

std::string ranks_of(load_trace const& trace, replay_setup const& setup) {
  auto const text = std::to_string(setup.ranks) + ", experts in contiguous blocks; ";
  if (!trace.sources_known) return text + "only sums over the source ranks were recorded";
  return text + "recorded on " + std::to_string(trace.sources);
}

std::string rows_of(replay_setup const& setup, replay_result const& result) {
  auto text = std::to_string(result.total_rows) + " in all";
  if (setup.scale > 1) text += ", every count times " + std::to_string(setup.scale);
  return text;
}

std::string options_of(replay_setup const& setup) {
  auto text = "alpha = " + shortest(setup.common.alpha.exact()) +
              ", m = " + std::to_string(setup.common.min_tokens.value()) + " rows";
  if (setup.common.threshold)
    text += "; standard_ep where busiest rank / mean is below " + text_of(setup.threshold());
  return text;
}

// m is made for large batches.
std::string coarse_chunks(load_trace const& trace, replay_setup const& setup,
                          replay_result const& result) {
  auto const mean = result.total_rows / std::ssize(trace.pairs) / setup.ranks;
  auto const least_loaded = [](named_planner const& p) { return p.name != "standard_ep"; };
  if (setup.common.min_tokens.value() <= mean ||
      std::none_of(setup.planners.begin(), setup.planners.end(), least_loaded))
    return "";
  return "m is above the " + std::to_string(mean) +
         " rows of a mean rank; a smaller --min-tokens may even out better";
}

void write_heading(std::ostream& out, load_trace const& trace, replay_setup const& setup,
                   replay_result const& result) {
  auto const fact = [&](std::string const& name, std::string const& value) {
    constexpr std::size_t width = 11;
    if (!value.empty())
      out << "  " << at_left(name, width - 2) << plain(value, columns - width) << '\n';
  };
  out << "Replay of " << plain(trace.name, 60) << ": each step of each layer, planned\n\n";
  fact("model", trace.model);
  fact("workload", trace.workload);
  fact("trace", size_of(trace));
  fact("experts", experts_of(trace));
  fact("ranks", ranks_of(trace, setup));
  fact("rows", rows_of(setup, result));
  fact("planning", options_of(setup));
  fact("note", coarse_chunks(trace, setup, result));
}

// ---- planners --------------------------------------------------------------------------------

// The widths of the table's columns.
constexpr std::size_t change_width = 14;
constexpr std::size_t wide = 8;
constexpr std::size_t middle = 7;
constexpr std::size_t narrow = 6;

void write_planner_titles(std::ostream& out) {
  out << '\n'
      << at_left("", name_width) << at_right("busiest / mean, EP -> plan", 2 * change_width + 2)
      << at_right("moves/pair", middle + narrow) << at_right("most lent", 2 * narrow)
      << at_right("rows", wide) << at_right("planning, us", middle + narrow) << '\n'
      << at_left("planner", name_width) << at_right("mean", change_width)
      << at_right("worst", change_width + 2) << at_right("mean", middle) << at_right("most", narrow)
      << at_right("to", narrow) << at_right("from", narrow) << at_right("moved", wide)
      << at_right("median", middle) << at_right("worst", narrow) << '\n';
}

void write_planners(std::ostream& out, std::vector<planner_summary> const& planners,
                    row_count total_rows) {
  write_planner_titles(out);
  auto const all_rows = static_cast<double>(total_rows);
  for (planner_summary const& s : planners) {
    double const pairs = std::max(static_cast<double>(s.pairs), 1.0);
    out << at_left(s.planner, name_width) << change(s.before.mean, s.after.mean) << "  "
        << change(s.before.worst, s.after.worst)
        << at_right(brief(static_cast<double>(s.moves) / pairs), middle)
        << at_right(brief(s.most_moves), narrow) << at_right(brief(s.most_fan_in), narrow)
        << at_right(brief(s.most_fan_out), narrow)
        << at_right(percent(static_cast<double>(s.moved_rows), all_rows), wide)
        << at_right(brief(s.planning_us.median), middle)
        << at_right(brief(s.planning_us.worst), narrow) << '\n';
  }
}

// ---- imbalance -------------------------------------------------------------------------------

void write_imbalance(std::ostream& out, replay_setup const& setup, replay_result const& result) {
  auto const all = summary(result.imbalances);
  auto const pairs = static_cast<double>(result.imbalances.size());
  auto const line = [&](std::string const& what, distribution const& ratios,
                        std::string const& test, std::int64_t triggers) {
    out << at_left(what, name_width) << at_right(brief(ratios.median), 7)
        << at_right(brief(ratios.percentile_95), 8) << at_right(brief(ratios.worst), 8) << "   "
        << at_left(test + " at " + text_of(setup.threshold()) + ":", 18)
        << at_right(fixed(100 * static_cast<double>(triggers) / pairs, 0), 4) << " % of "
        << result.imbalances.size() << " pairs\n";
  };
  out << '\n'
      << at_left("imbalance under EP", name_width) << at_right("median", 7) << at_right("95th", 8)
      << at_right("worst", 8) << "   how often it counts as uneven\n";
  line("busiest expert / mean", all.experts, "per_expert", all.per_expert_triggers);
  line("busiest rank / mean", all.ranks, "per_rank", all.per_rank_triggers);
}

// ---- layers ----------------------------------------------------------------------------------

constexpr std::size_t most_layers = 32;
constexpr std::size_t worst_layers = 16;

// "#####----": what is left under the plan, and what it takes off.
std::string bar_of(layer_summary const& layer, double largest) {
  constexpr double width = 48;
  auto const long_as = [&](double ratio) {
    return static_cast<std::size_t>(std::lround(width * std::min(ratio / largest, 1.0)));
  };
  std::string text(long_as(layer.after.mean), '#');
  text.append(std::max(long_as(layer.before.mean), text.size()) - text.size(), '-');
  return text;
}

void write_layers(std::ostream& out, load_trace const& trace, replay_setup const& setup,
                  replay_result const& result, std::size_t planner) {
  auto layers = layer_summaries(trace, result, planner);
  auto const all = layers.size();
  auto const worse = [](layer_summary const& a, layer_summary const& b) {
    return a.before.mean > b.before.mean;
  };
  if (all > most_layers) {
    std::stable_sort(layers.begin(), layers.end(), worse);
    layers.resize(worst_layers);
  }
  double largest = 1;
  for (layer_summary const& layer : layers) largest = std::max(largest, layer.before.mean);
  out << "\nbusiest rank / mean by layer, EP -> " << setup.planners[planner].name;
  if (all > layers.size()) out << "; the worst " << layers.size() << " of " << all;
  out << "\n  layer   mean of steps           worst   mean: # under the plan, - taken off by it\n";
  for (layer_summary const& layer : layers)
    out << at_right(std::to_string(layer.layer), 7) << "  "
        << change(layer.before.mean, layer.after.mean) << "  "
        << change(layer.before.worst, layer.after.worst) << "   " << bar_of(layer, largest) << '\n';
}

}  // namespace

std::string replay_report(load_trace const& trace, replay_setup const& setup,
                          replay_result const& result) {
  std::ostringstream out;
  auto const planners = summaries(setup, result);
  write_heading(out, trace, setup, result);
  write_planners(out, planners, result.total_rows);
  write_imbalance(out, setup, result);
  write_layers(out, trace, setup, result, first_that_lends(planners));
  return out.str();
}

}  // namespace llep::tool
