// SPDX-License-Identifier: Apache-2.0
#include "demo_page.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "demo_facts.hpp"
#include "document.hpp"
#include "explanation.hpp"
#include "markup.hpp"
#include "page_words.hpp"
#include "plan_section.hpp"

namespace llep::tool {
namespace {

constexpr char const* planner_name = "LLEP";

std::string milliseconds(double seconds) { return fixed(1e3 * seconds, 1) + "\u00A0ms"; }

std::string layer_words(demo_comparison const& both, std::size_t n) {
  return "layer " + std::to_string(both.input->layers[n].id);
}

std::string heading(demo_comparison const& both) {
  demo_input const& in = *both.input;
  routing_trace const& trace = *both.trace;
  return "<header>\n<h1>One MoE step, layer by layer</h1>\n<p class=\"sub\">Recorded routing on "
         "several ranks, by standard and by least-loaded expert parallelism</p>\n" +
         definitions(
             {{"routing", "recorded: " + escaped(trace.name) + ", " + counted(in.tokens, "token")},
              {"model", escaped(trace.model)},
              {"workload", escaped(trace.workload)},
              {"experts", "E = " + std::to_string(in.experts) +
                              ", K = " + std::to_string(in.choices) + " a token; " +
                              counted(std::ssize(in.layers), "layer") + " of " +
                              std::to_string(trace.layer_ids.size())},
              {"kernel", escaped(both.kernel) + ", swiglu, f32, seeded weights, H = " +
                             std::to_string(in.hidden) + ", F = " + std::to_string(in.inner) +
                             ": the routing is real, these experts are small"},
              {"ranks", "P = " + std::to_string(in.ranks) + ", " + escaped(both.ranks) +
                            "; experts in contiguous blocks"},
              {"planner", "least_loaded, alpha 1, m = " + counted(both.min_tokens, "row")}}) +
         "</header>\n";
}

std::string key_numbers(demo_comparison const& both) {
  demo_totals const ep(both.ep);
  demo_totals const llep(both.llep);
  demo_input const& in = *both.input;
  auto const rows = static_cast<double>(in.rows()) * static_cast<double>(both.ep.size());
  std::string const faster =
      llep.seconds > 0 ? ", " + fixed(ep.seconds / llep.seconds, 2) + " times as fast" : "";
  return section(
      "Key numbers",
      paragraph("Standard EP \u2192 <b>LLEP</b>, over " + counted(std::ssize(both.ep), "layer") +
                ".") +
          cards({{change(fixed(ep.average, 2), fixed(llep.average, 2)), "max/mean, on average"},
                 {change(fixed(ep.worst, 2), fixed(llep.worst, 2)), "max/mean, at worst"},
                 {change(fixed(1e3 * ep.seconds, 0), fixed(1e3 * llep.seconds, 0)) + "\u00A0ms",
                  both.clock + " time of the busiest ranks in the kernel" + faster},
                 {change(bytes_words(ep.peak()), bytes_words(llep.peak())),
                  "peak workspace of a rank"},
                 {grouped(llep.moves),
                  "experts lent, " + bytes_words(llep.moves * in.expert_bytes()) + " of weights; " +
                      percent(static_cast<double>(llep.spilled), rows) + " of the rows are moved"},
                 {both.identical ? "bit-identical"
                  : both.agrees  ? "equal within rounding"
                                 : "THEY DIFFER",
                  both.agrees ? "outputs in every layer" : "outputs: this must not be"}}));
}

std::string layer_table(demo_comparison const& both) {
  demo_input const& in = *both.input;
  table layers{{"layer", "max/mean of rows", "experts lent", "their weights", "moved rows",
                "of all rows", "rows that travel", "busiest rank, " + both.clock + " ms"},
               {}};
  for (std::size_t n = 0; n < both.ep.size(); ++n) {
    demo_outcome const& ep = both.ep[n];
    demo_outcome const& llep = both.llep[n];
    auto const moves = std::ssize(llep.made.moves);
    layers.rows.push_back(
        {std::to_string(in.layers[n].id),
         change(fixed(max_over_mean(ep.rows), 2), fixed(max_over_mean(llep.rows), 2)),
         grouped(moves), bytes_words(moves * in.expert_bytes()), grouped(llep.spilled_rows),
         percent(static_cast<double>(llep.spilled_rows), static_cast<double>(in.rows())),
         change(grouped(ep.travelling_rows), grouped(llep.travelling_rows)),
         change(fixed(1e3 * most_seconds(ep), 1), fixed(1e3 * most_seconds(llep), 1))});
  }
  return section("Layers compared",
                 layers.html() +
                     note("Before \u2192 after. A row travels, out and back, where "
                          "another rank computes it than the one its token is on. " +
                          both.clock + " time of one rank at a time, on the machine this ran on."));
}

// One side of a comparison of values by rank; `words` makes a text of one.
template <class T, class Words>
bar_panel panel(std::string const& title, std::vector<T> const& values, Words words) {
  bar_panel out{title, "", {}, "", "plain"};
  double sum = 0;
  for (T const value : values) {
    out.bars.push_back({static_cast<double>(value), 0, words(value)});
    sum += static_cast<double>(value);
  }
  out.note = "most " + words(*std::max_element(values.begin(), values.end()));
  out.mean_words = "mean " + words(static_cast<T>(sum / static_cast<double>(values.size())));
  return out;
}

std::string time_figure(demo_comparison const& both, std::size_t n) {
  bar_pair const bars{panel("standard EP", both.ep[n].seconds, milliseconds),
                      panel(planner_name, both.llep[n].seconds, milliseconds)};
  auto const title = "Time, " + layer_words(both, n);
  return figure(
      title, draw_rank_bars(bars, title + ": " + both.clock + " time of each rank in the kernel"),
      both.clock + " time of each rank in the expert kernel, the shortest of a few runs." +
          ranks_left_out(bars));
}

std::string layer_figures(demo_comparison const& both) {
  std::string figures;
  for (std::size_t n = 0; n < both.ep.size(); ++n)
    figures +=
        rank_load_figure(layer_plan(both, n), planner_name, "Rows, " + layer_words(both, n)) +
        time_figure(both, n);
  return section("Ranks before and after", load_legend() + side_by_side(figures));
}

std::string memory_figure(demo_comparison const& both) {
  bar_pair const bars{panel("standard EP", demo_totals(both.ep).peaks, bytes_words),
                      panel(planner_name, demo_totals(both.llep).peaks, bytes_words)};
  return section(
      "Memory",
      figure_beside(
          "Peak workspace of each rank",
          draw_rank_bars(bars, "Bars: peak workspace of each rank, before and after"),
          "The largest of all layers: rows, lent weights and scratch; not the rank\u2019s "
          "own weights." +
              ranks_left_out(bars)));
}

std::string plan_section(demo_comparison const& both) {
  auto const n = most_uneven_layer(both);
  return section("One plan: " + layer_words(both, n),
                 paragraph("The layer that is most uneven under standard EP.") +
                     plan_figures(layer_plan(both, n)));
}

std::string other_lists(demo_comparison const& both) {
  constexpr std::size_t most_listed = 10;
  std::string lists;
  for (std::size_t n = 0; n < both.ep.size(); ++n)
    if (n != most_uneven_layer(both))
      lists += lending_list(layer_plan(both, n),
                            "Layer " + std::to_string(both.input->layers[n].id), most_listed);
  return lists.empty() ? "" : section("Experts lent in the other layers", side_by_side(lists));
}

}  // namespace

std::string demo_page(demo_comparison const& both) {
  return document("llep demo: standard EP and LLEP", heading(both) + explanation() +
                                                         key_numbers(both) + layer_table(both) +
                                                         layer_figures(both) + memory_figure(both) +
                                                         plan_section(both) + other_lists(both));
}

}  // namespace llep::tool
