// SPDX-License-Identifier: Apache-2.0
#include "replay_page.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "document.hpp"
#include "explanation.hpp"
#include "markup.hpp"
#include "page_words.hpp"
#include "plan_section.hpp"
#include "planner_words.hpp"
#include "replay_facts.hpp"
#include "svg.hpp"

namespace llep::tool {
namespace {

// ---- what everything on the page is made of ----------------------------------------------------

struct replay_story {
  load_trace const& trace;
  replay_setup const& setup;
  replay_result const& result;
  replay_facts facts;

  [[nodiscard]] planner_summary const& planner() const { return facts.planners[facts.detailed]; }
  [[nodiscard]] std::string const& planner_name() const { return planner().planner; }
  [[nodiscard]] double threshold() const { return as_number(setup.threshold()); }
  [[nodiscard]] std::int64_t pairs() const { return std::ssize(trace.pairs); }
};

std::string pair_words(replay_story const& all, std::size_t pair) {
  trace_pair const& p = all.trace.pairs[pair];
  auto const& steps = all.facts.steps;
  auto const step = static_cast<std::size_t>(std::lower_bound(steps.begin(), steps.end(), p.step) -
                                             steps.begin());
  auto const& names = all.trace.step_names;
  return "step " + std::to_string(p.step) +
         (step < names.size() ? " (" + escaped(names[step]) + ")" : "") + ", layer " +
         std::to_string(p.layer);
}

std::string or_not_said(std::string const& text) {
  return text.empty() ? "not said" : escaped(text);
}

// ---- the parts ---------------------------------------------------------------------------------

std::string heading(replay_story const& all) {
  load_trace const& trace = all.trace;
  named_words facts{
      {"model", or_not_said(trace.model)},
      {"workload", or_not_said(trace.workload)},
      {"experts", "E = " + std::to_string(trace.experts) +
                      (trace.experts_said ? "" : " (the largest id seen, and one)") +
                      (trace.choices > 0 ? ", K = " + std::to_string(trace.choices) + " a token"
                                         : std::string())},
      {"recorded", counted(std::ssize(all.facts.steps), "step") + " of " +
                       counted(std::ssize(all.facts.layers), "layer") + ": " +
                       counted(all.pairs(), "pair") +
                       (trace.sources_known ? ", rows from " + counted(trace.sources, "rank")
                                            : std::string(", sums over all ranks"))},
      {"replayed",
       "on P = " + counted(all.setup.ranks, "rank") + ", experts in contiguous blocks" +
           (all.setup.scale > 1 ? ", counts times " + grouped(all.setup.scale) : std::string())}};
  for (named_planner const& p : all.setup.planners)
    facts.emplace_back("planner", escaped(p.name) + ": " + escaped(planner_words(p.planner)));
  return "<header>\n<h1>Expert loads of " + escaped(trace.name) +
         ", replayed</h1>\n<p class=\"sub\">Recorded routing under standard and under "
         "least-loaded expert parallelism</p>\n" +
         definitions(facts) + "</header>\n";
}

std::vector<double> falling(std::vector<double> values) {
  std::sort(values.begin(), values.end(), std::greater<>());
  return values;
}

// max/mean of all pairs under a planner, from uneven to even.
std::vector<double> ratios_after(replay_story const& all, std::size_t planner) {
  std::vector<double> ratios;
  for (replay_row const& row : all.result.rows)
    if (row.planner == planner) ratios.push_back(row.after);
  return falling(ratios);
}

std::string of_all(replay_story const& all, std::int64_t pairs) {
  return percent(static_cast<double>(pairs), static_cast<double>(all.pairs()));
}
std::string of_all_rows(replay_story const& all, row_count rows) {
  return percent(static_cast<double>(rows), static_cast<double>(all.result.total_rows));
}
std::string moves_a_pair(planner_summary const& p, int digits) {
  return fixed(static_cast<double>(p.moves) / static_cast<double>(p.pairs), digits);
}

std::string key_numbers(replay_story const& all) {
  planner_summary const& p = all.planner();
  auto const after = ratios_after(all, all.facts.detailed);
  auto const uneven_after = std::count_if(after.begin(), after.end(),
                                          [&](double ratio) { return ratio >= all.threshold(); });
  return section(
      "Key numbers",
      paragraph("Standard EP \u2192 <b>" + escaped(p.planner) + "</b>, over " +
                counted(p.pairs, "pair") + " of a step and a layer.") +
          cards(
              {{change(fixed(p.before.mean, 2), fixed(p.after.mean, 2)), "max/mean, on average"},
               {change(fixed(p.before.worst, 2), fixed(p.after.worst, 2)),
                "max/mean, worst before and worst after"},
               {change(of_all(all, all.facts.uneven.per_rank_triggers), of_all(all, uneven_after)),
                "of the pairs have max/mean " + decimal(all.threshold(), 3) + " or more"},
               {moves_a_pair(p, 1), "experts lent in a step of a layer, on average"},
               {of_all_rows(all, p.moved_rows), "of all rows are moved"},
               {fixed(p.planning_us.median, 1) + " \u00B5s",
                "to plan a step of a layer, median"}}));
}

std::string planner_table(replay_story const& all) {
  table planners{{"planner", "max/mean, average", "max/mean, worst", "experts lent", "lent a pair",
                  "lent to a rank, most", "lent by a rank, most", "moved rows", "of all rows",
                  "planning \u00B5s, median", "planning \u00B5s, worst"},
                 {}};
  for (planner_summary const& p : all.facts.planners)
    planners.rows.push_back(
        {escaped(p.planner), change(fixed(p.before.mean, 2), fixed(p.after.mean, 2)),
         change(fixed(p.before.worst, 2), fixed(p.after.worst, 2)), grouped(p.moves),
         moves_a_pair(p, 2), grouped(p.most_fan_in), grouped(p.most_fan_out), grouped(p.moved_rows),
         of_all_rows(all, p.moved_rows), fixed(p.planning_us.median, 1),
         fixed(p.planning_us.worst, 1)});
  return section("Planners compared",
                 planners.html() + note("Before \u2192 after. A pair is one step of one layer. Of "
                                        "a pair\u2019s planning time the fastest of a few calls "
                                        "counts."));
}

std::string rank_load_section(replay_story const& all) {
  auto const draw = [&](std::string const& kind, std::size_t pair) {
    auto const planned = plan_pair(all.trace, all.setup, pair, all.facts.detailed);
    return rank_load_figure(planned.picture(), all.planner_name(),
                            kind + ": " + pair_words(all, pair));
  };
  auto figures = draw("The most uneven pair", all.facts.worst);
  if (all.facts.typical != all.facts.worst)
    figures += draw("The pair in the middle", all.facts.typical);
  return section("Rows by rank", load_legend() + side_by_side(figures));
}

std::string map_figure(replay_story const& all) {
  auto const maps = make_maps(all.trace, all.result, all.facts);
  auto const side = [&](std::string const& name, heat_map const& map) {
    return "<div><h3>" + escaped(name) + "</h3>\n" +
           draw_heat_map(map, "Heat map: max/mean of every step and layer, " + name) + "</div>\n";
  };
  std::string caption =
      "Busiest rank over mean rank in every pair of a step (across) and a layer (down): the nearer "
      "a "
      "shade is to the background\u2019s, the more even. A shade begins at the number below it, "
      "the "
      "same "
      "on both sides.";
  if (maps.steps_a_cell > 1)
    caption += " A cell is the worst of " + std::to_string(maps.steps_a_cell) + " steps.";
  if (maps.layers_a_cell > 1)
    caption += " A cell is the worst of " + std::to_string(maps.layers_a_cell) + " layers.";
  return figure(
      "max/mean of every step and layer",
      side_by_side(side("standard EP", maps.before) + side(all.planner_name(), maps.after)) +
          single(draw_heat_scale()),
      caption);
}

std::string curve_look(std::size_t planner) { return "k" + std::to_string(planner % 6); }

std::string curve_figure(replay_story const& all) {
  std::vector<double> before;
  for (imbalance_row const& row : all.result.imbalances) before.push_back(row.rank_ratio);
  std::vector<ratio_curve> curves{{"k", falling(before)}};
  named_words looks{{"k", "standard EP, before planning"}};
  for (std::size_t i = 0; i < all.facts.planners.size(); ++i) {
    curves.push_back({curve_look(i), ratios_after(all, i)});
    looks.emplace_back(curve_look(i), escaped(all.facts.planners[i].planner));
  }
  auto const drawn = draw_ratio_curves(
      curves, all.threshold(),
      "Curves: max/mean of all pairs, sorted, before planning and after each planner");
  return figure_beside(
      "Pairs sorted from uneven to even", drawn,
      legend(looks) +
          paragraph("Busiest rank over mean rank (upwards, logarithmic) of all "
                    "pairs, sorted: at 20\u202F% one reads what the most uneven "
                    "fifth of the pairs has at least. Dashed across: " +
                    decimal(all.threshold(), 3) + ", from which on loads count as uneven."));
}

std::string spread_section(replay_story const& all) {
  auto const spreads = make_layer_spreads(all.trace, all.result, all.facts, all.threshold());
  auto const threshold = decimal(all.threshold(), 3);
  std::string const columns =
      spreads.layers_a_column > 1
          ? " A column is " + std::to_string(spreads.layers_a_column) + " layers."
          : "";
  auto const triggers = [&](std::int64_t count) {
    return of_all(all, count) + " of the pairs (" + grouped(count) + " of " + grouped(all.pairs()) +
           ") reach " + threshold;
  };
  return section(
      "How uneven the routing is, by layer",
      paragraph("The method\u2019s authors plan only where loads are uneven; so does --threshold. "
                "By the busiest rank (the test "
                "<b>per_rank</b>) " +
                triggers(all.facts.uneven.per_rank_triggers) +
                "; by the busiest expert (<b>per_expert</b>) " +
                triggers(all.facts.uneven.per_expert_triggers) + ".") +
          side_by_side(
              figure(
                  "Busiest expert over mean expert",
                  draw_spreads(spreads.experts, "Busiest expert over mean expert, by layer"),
                  "Over all steps of a layer: from least to most (pale), the middle half (full), "
                  "the median (line across); logarithmic. Dashed: " +
                      threshold + "." + columns) +
              figure("Busiest rank over mean rank",
                     draw_spreads(spreads.ranks, "Busiest rank over mean rank, by layer"),
                     "The same for ranks under standard EP, on the same scale: what costs time." +
                         columns)));
}

std::string pair_count_table(lending_counts const& lent) {
  constexpr std::size_t most = 20;
  std::vector<std::pair<std::pair<rank_id, rank_id>, std::int64_t>> all(lent.begin(), lent.end());
  std::stable_sort(all.begin(), all.end(),
                   [](auto const& a, auto const& b) { return a.second > b.second; });
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), most)), all.end());
  table ways{{"lent by rank", "to rank", "experts"}, {}};
  for (auto const& [way, count] : all)
    ways.rows.push_back({std::to_string(way.first), std::to_string(way.second), grouped(count)});
  return ways.html();
}

std::string lending_ways(replay_story const& all) {
  auto const lent = count_lendings(all.trace, all.setup, all.facts.detailed);
  if (lent.empty()) return paragraph("No expert is lent in any pair.");
  std::string const what = "How many times a rank lends an expert to another, over all " +
                           counted(all.pairs(), "pair") + ", by " + escaped(all.planner_name()) +
                           ".";
  if (all.setup.ranks > most_matrix_ranks)
    return figure_beside("The 20 busiest ways", pair_count_table(lent),
                         what + " " + counted(std::ssize(lent), "way") +
                             " between two ranks are used; those used most are listed.");
  auto const svg =
      draw_lending_matrix(lent, all.setup.ranks, "Matrix: experts lent from rank to rank");
  auto const caption = what + " At the ends: the sums.";
  double const width = lending_matrix_width(all.setup.ranks);
  return width > chart_width ? figure("From rank to rank", scrolling(svg, width), caption)
                             : figure_beside("From rank to rank", svg, caption);
}

std::string lending_section(replay_story const& all) {
  auto const planned = plan_pair(all.trace, all.setup, all.facts.worst, all.facts.detailed);
  return section("Who lends to whom", lending_ways(all)) +
         section(
             "One plan: " + pair_words(all, all.facts.worst),
             paragraph("The most uneven pair, planned by " + escaped(all.planner_name()) + ".") +
                 plan_figures(planned.picture()));
}

}  // namespace

std::string replay_page(load_trace const& trace, replay_setup const& setup,
                        replay_result const& result) {
  replay_story const all{trace, setup, result, make_replay_facts(trace, setup, result)};
  auto const title = "llep replay: " + escaped(trace.name);
  if (trace.pairs.empty() || setup.planners.empty())
    return document(title, heading(all) + paragraph("There is nothing to plan."));
  return document(title, heading(all) + explanation() + key_numbers(all) + planner_table(all) +
                             rank_load_section(all) +
                             section("Over steps and layers", map_figure(all) + curve_figure(all)) +
                             spread_section(all) + lending_section(all));
}

}  // namespace llep::tool
