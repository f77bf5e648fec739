// SPDX-License-Identifier: Apache-2.0
#include "flow_chart.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "page_words.hpp"
#include "svg.hpp"

namespace llep::tool {
namespace {

constexpr double top = 26;
constexpr double all_rows_height = 300;
constexpr double least_pitch = 14;  // of labels
constexpr double gap = 4;
constexpr double node_width = 7;
constexpr double source_x = 104;
constexpr double target_x = 262;

// One side's nodes: where each begins, and how far its ribbons have filled it.
struct column {
  std::vector<double> rows;
  std::vector<double> begin;
  std::vector<double> filled;
  double bottom = top;

  column(std::size_t nodes, flow_chart const& of, bool sources) : rows(nodes, 0.0) {
    for (auto const& r : of.ribbons) rows[sources ? r.from : r.to] += r.rows;
  }

  [[nodiscard]] double total() const {
    double sum = 0;
    for (double const n : rows) sum += n;
    return sum;
  }

  // A thin node gets the room its label needs and lies in the middle of it.
  void stack(double scale) {
    for (double const n : rows) {
      double const height = n * scale;
      double const room = std::max(height + gap, least_pitch);
      begin.push_back(bottom + (room - height) / 2);
      bottom += room;
    }
    filled = begin;
  }

  // A part of the node for the next ribbon; where it begins.
  double take(std::size_t node, double height) {
    double const at = filled[node];
    filled[node] += height;
    return at;
  }
};

// From (x1, y1) to (x2, y2), `height` high all the way.
std::string ribbon_path(double y1, double y2, double height) {
  double const x1 = source_x + node_width;
  double const x2 = target_x;
  std::string const middle = units((x1 + x2) / 2);
  auto const curve = [&](double from, double x, double y) {
    return 'C' + middle + ' ' + units(from) + ' ' + middle + ' ' + units(y) + ' ' + units(x) + ' ' +
           units(y);
  };
  return 'M' + units(x1) + ' ' + units(y1) + curve(y1, x2, y2) + 'v' + units(height) +
         curve(y2 + height, x1, y1 + height) + 'z';
}

void draw_nodes(drawing& out, column const& side, std::vector<std::string> const& names,
                double scale, bool sources) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    double const height = std::max(side.rows[i] * scale, 0.7);
    double const y = side.begin[i] + side.rows[i] * scale / 2 + 4;
    auto const rows = short_count(side.rows[i]);
    out.rect("node", sources ? source_x : target_x, side.begin[i], node_width, height);
    if (sources) {
      out.text("", 0, y, names[i]);
      out.text("q e", source_x - 5, y, rows);
    } else {
      out.text("", target_x + node_width + 5, y, names[i]);
      out.text("q e", chart_width, y, rows);
    }
  }
}

}  // namespace

std::string draw_flow(flow_chart const& of, std::string const& label) {
  column from(of.sources.size(), of, true);
  column to(of.targets.size(), of, false);
  double const total = from.total();
  double const scale = total > 0 ? all_rows_height / total : 0;
  from.stack(scale);
  to.stack(scale);
  auto ribbons = of.ribbons;
  std::sort(ribbons.begin(), ribbons.end(), [](auto const& a, auto const& b) {
    return a.from != b.from ? a.from < b.from : a.to != b.to ? a.to < b.to : a.lent < b.lent;
  });
  std::string quiet;
  std::string quieter;
  std::string strong;
  for (auto const& r : ribbons) {
    double const height = r.rows * scale;
    double const y1 = from.take(r.from, height);
    (r.lent                ? strong
     : r.from == of.others ? quieter
                           : quiet) += ribbon_path(y1, to.take(r.to, height), height);
  }
  drawing out(chart_width, std::max({from.bottom, to.bottom, top + least_pitch}) + 4);
  out.text("q", 0, 11, "expert, its rows");
  out.text("q e", chart_width, 11, "computed by, rows");
  out.path("ribmany", quieter);
  out.path("rib", quiet);
  out.path("riblent", strong);
  draw_nodes(out, from, of.sources, scale, true);
  draw_nodes(out, to, of.targets, scale, false);
  return out.svg(label);
}

}  // namespace llep::tool
