// SPDX-License-Identifier: Apache-2.0
#include "train_page.hpp"

#include <string>
#include <vector>

#include "document.hpp"
#include "explanation.hpp"
#include "line_chart.hpp"
#include "markup.hpp"
#include "page_words.hpp"

namespace llep::tool {
namespace {

std::vector<double> over_steps(train::history const& of, double train::step_facts::* value) {
  std::vector<double> all;
  for (auto const& step : of.steps) all.push_back(step.*value);
  return all;
}

std::string heading(train_comparison const& both) {
  train::setup const& how = both.how;
  return "<header>\n<h1>A language model, trained twice</h1>\n<p class=\"sub\">The same model from "
         "the same seed, by standard and by least-loaded expert parallelism</p>\n" +
         definitions(
             {{"text", escaped(both.text) + ", " + bytes_words(both.text_bytes)},
              {"model",
               std::to_string(how.layers) + " MoE layers, E = " + std::to_string(how.experts) +
                   ", K = " + std::to_string(how.choices) + ", H = " + std::to_string(how.hidden) +
                   ", F = " + std::to_string(how.inner) + ", f64; no auxiliary loss"},
              {"ranks", "P = " + std::to_string(how.ranks) + ", emulated; " +
                            counted(how.tokens * how.ranks, "token") + " a step"},
              {"planner", "least_loaded, alpha 1, m = " + counted(both.min_tokens, "row")},
              {"kernel", escaped(both.kernel)}}) +
         "</header>\n";
}

std::string key_numbers(train_comparison const& both) {
  train_summary const sum(both);
  return section(
      "Key numbers",
      cards({{change(fixed(sum.first_loss, 2), fixed(sum.last_loss, 2)), "loss, in nats a byte"},
             {scientific(sum.largest_difference), "largest difference of the two losses"},
             {change(fixed(sum.max_over_mean_ep, 2), fixed(sum.max_over_mean, 2)),
              "max/mean, mean of all steps and layers"},
             {fixed(sum.moves_a_step, 1), "experts lent in a step"},
             {change(bytes_words(both.ep.peak_bytes), bytes_words(both.llep.peak_bytes)),
              "peak memory of the busiest rank, besides its own weights"}}));
}

}  // namespace

std::string train_page(train_comparison const& both) {
  named_words const modes{{"k0", "standard EP"}, {"k1", "LLEP"}};
  auto const lines = [&](std::vector<double> ep, std::vector<double> llep, char const* label) {
    return draw_lines({{"k0", std::move(ep)}, {"k1", std::move(llep)}}, label);
  };
  std::vector<double> moves;
  for (auto const& step : both.llep.steps) moves.push_back(static_cast<double>(step.moves));
  return document(
      "llep: a model trained under EP and LLEP",
      heading(both) + explanation() + key_numbers(both) +
          section("Step by step",
                  figure_beside("Loss",
                                lines(over_steps(both.ep, &train::step_facts::loss),
                                      over_steps(both.llep, &train::step_facts::loss),
                                      "Lines: the loss under standard EP and under LLEP"),
                                legend(modes) +
                                    paragraph("Nats a byte. The lines lie upon each other: lending "
                                              "weights changes who computes, not what.")) +
                      figure_beside(
                          "Busiest rank over mean rank",
                          lines(over_steps(both.ep, &train::step_facts::max_over_mean),
                                over_steps(both.llep, &train::step_facts::max_over_mean),
                                "Lines: max/mean under standard EP and under LLEP"),
                          legend(modes) +
                              paragraph("Rows, mean over the layers. Nothing but learning makes "
                                        "the routing uneven: there is no auxiliary loss.")) +
                      figure_beside("Experts lent",
                                    draw_lines({{"k1", std::move(moves)}},
                                               "Line: how many experts were lent in each step"),
                                    paragraph("In all layers of a step. Their gradients go home "
                                              "along the same ways."))));
}

}  // namespace llep::tool
