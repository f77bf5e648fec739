// SPDX-License-Identifier: Apache-2.0
#include "rank_bars.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "svg.hpp"

namespace llep::tool {
namespace {

constexpr double panel_width = 154;
constexpr double panel_gap = 12;
constexpr double words_width = 54;  // before the bars, so that the mean's line doesn't cross them
constexpr double bars_top = 40;
constexpr std::size_t most_ranks = 64;
constexpr std::size_t busiest_of_many = 16;  // on either side

std::vector<std::size_t> busiest(bar_panel const& panel) {
  std::vector<std::size_t> order(panel.bars.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return panel.bars[a].value() > panel.bars[b].value();
  });
  order.resize(std::min(order.size(), busiest_of_many));
  return order;
}

// In which order ranks are drawn: by number, or the busiest ones first.
std::vector<std::size_t> ranks_drawn(bar_pair const& of) {
  if (of.before.bars.size() > most_ranks) {
    auto order = busiest(of.before);
    for (std::size_t const r : busiest(of.after))
      if (std::find(order.begin(), order.end(), r) == order.end()) order.push_back(r);
    return order;
  }
  std::vector<std::size_t> order(of.before.bars.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

double largest(bar_panel const& panel) {
  double most = 0;
  for (rank_bar const& b : panel.bars) most = std::max(most, b.value());
  return most;
}

double mean(bar_panel const& panel) {
  double sum = 0;
  for (rank_bar const& b : panel.bars) sum += b.value();
  return panel.bars.empty() ? 0 : sum / static_cast<double>(panel.bars.size());
}

struct bar_layout {
  std::vector<std::size_t> order;
  double pitch;
  double scale;  // units a value

  [[nodiscard]] bool is_small() const { return pitch < 14; }
  // Of words beside the bar that begins at y.
  [[nodiscard]] double base(double y) const { return y + pitch / 2 + (is_small() ? 1.5 : 2.5); }
  [[nodiscard]] double bottom() const {
    return bars_top + pitch * static_cast<double>(order.size());
  }
};

void draw_panel(drawing& out, bar_panel const& panel, bar_layout const& how, double left) {
  double const zero = left + words_width;
  out.text("b", left, 11, panel.title);
  out.text("q", left, 25, panel.note);
  double y = bars_top;
  for (std::size_t const r : how.order) {
    rank_bar const& bar = panel.bars[r];
    double const native = bar.native * how.scale;
    out.text(how.is_small() ? "s e" : "e", zero - 5, how.base(y), bar.words);
    out.rect(panel.look, zero, y, native, how.pitch - 3);
    out.rect("lent", zero + native, y, bar.lent * how.scale, how.pitch - 3);
    y += how.pitch;
  }
  double const at = zero + mean(panel) * how.scale;
  out.line("mark", at, bars_top - 4, at, y + 2);
  out.text("q", left, y + 14, panel.mean_words);
}

}  // namespace

std::string draw_rank_bars(bar_pair const& of, std::string const& label) {
  bar_layout how{ranks_drawn(of), 18, 0};
  if (how.order.size() > 16) how.pitch = how.order.size() > 32 ? 11 : 14;
  double const most = std::max(largest(of.before), largest(of.after));
  if (most > 0) how.scale = (panel_width - words_width) / most;
  double const names_right =
      std::max(26.0, 6.5 * static_cast<double>(std::to_string(of.before.bars.size()).size()));
  drawing out(names_right + 10 + 2 * panel_width + panel_gap + 2, how.bottom() + 20);
  double y = bars_top;
  for (std::size_t const r : how.order) {
    out.text(how.is_small() ? "s q e" : "q e", names_right, how.base(y), std::to_string(r));
    y += how.pitch;
  }
  out.text("q e", names_right, 25, "rank");
  double const left = names_right + 10;
  draw_panel(out, of.before, how, left);
  draw_panel(out, of.after, how, left + panel_width + panel_gap);
  return out.svg(label);
}

std::string ranks_left_out(bar_pair const& of) {
  auto const ranks = of.before.bars.size();
  if (ranks <= most_ranks) return "";
  auto const busiest = std::to_string(busiest_of_many);
  return " Of " + std::to_string(ranks) + " ranks the " + busiest +
         " that are busiest before are drawn, and the " + busiest + " that are busiest after.";
}

}  // namespace llep::tool
