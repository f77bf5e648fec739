// SPDX-License-Identifier: Apache-2.0
#include "heat_map.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "page_words.hpp"
#include "svg.hpp"
#include "tick_stride.hpp"

namespace llep::tool {
namespace {

constexpr double left = 30;
constexpr double top = 6;

// Where the shades begin; 1.3 is the paper's lambda.
constexpr std::array shade_from{1.0, 1.05, 1.15, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0};

std::size_t shade_of(double ratio) {
  auto const above = std::upper_bound(shade_from.begin(), shade_from.end(), ratio);
  return above == shade_from.begin() ? shade_from.size()
                                     : static_cast<std::size_t>(above - shade_from.begin()) - 1;
}

std::string shade_look(std::size_t shade) { return "h" + std::to_string(shade); }

struct cell_layout {
  double width;
  double height;

  explicit cell_layout(heat_map const& of)
      : width((chart_width - left) /
              static_cast<double>(std::max<std::size_t>(of.columns.size(), 1))),
        height(std::clamp(320.0 / static_cast<double>(std::max<std::size_t>(of.rows.size(), 1)),
                          2.0, 14.0)) {}
  [[nodiscard]] double x(std::size_t column) const {
    return left + width * static_cast<double>(column);
  }
  [[nodiscard]] double y(std::size_t row) const { return top + height * static_cast<double>(row); }
};

// One path a shade, neighbours of the same shade as one rectangle: thousands of cells stay small.
std::array<std::string, shade_from.size()> cell_paths(heat_map const& of, cell_layout const& cell) {
  std::array<std::string, shade_from.size()> paths;
  auto const columns = of.columns.size();
  for (std::size_t row = 0; row < of.rows.size(); ++row) {
    for (std::size_t first = 0, next = 0; first < columns; first = next) {
      auto const shade = shade_of(of.values[row * columns + first]);
      for (next = first + 1; next < columns; ++next)
        if (shade_of(of.values[row * columns + next]) != shade) break;
      if (shade == paths.size()) continue;
      double const wide = cell.x(next) - cell.x(first);
      paths[shade] += 'M' + units(cell.x(first)) + ' ' + units(cell.y(row)) + 'h' + units(wide) +
                      'v' + units(cell.height) + "h-" + units(wide) + 'z';
    }
  }
  return paths;
}

// Every column's name where all have room, else one of several.
void name_columns(drawing& out, heat_map const& of, cell_layout const& cell, double y) {
  std::size_t longest = 1;
  for (auto const& name : of.columns) longest = std::max(longest, name.size());
  double const room = std::max(6.2 * static_cast<double>(longest) + 6, 24.0);
  auto const stride = tick_stride(of.columns.size(), (chart_width - left) / room);
  for (std::size_t c = 0; c < of.columns.size(); c += stride)
    out.text("q m", std::min(cell.x(c) + cell.width / 2, chart_width - 8), y, of.columns[c]);
}

void name_rows(drawing& out, heat_map const& of, cell_layout const& cell) {
  auto const stride =
      tick_stride(of.rows.size(), static_cast<double>(of.rows.size()) * cell.height / 12);
  for (std::size_t r = 0; r < of.rows.size(); r += stride)
    out.text("q e", left - 5, cell.y(r) + cell.height / 2 + 4, of.rows[r]);
}

}  // namespace

std::string draw_heat_map(heat_map const& of, std::string const& label) {
  cell_layout const cell(of);
  double const bottom = cell.y(of.rows.size());
  drawing out(chart_width, bottom + 34);
  auto const paths = cell_paths(of, cell);
  out.rect("box", left, top, chart_width - left, bottom - top);
  for (std::size_t shade = 0; shade < paths.size(); ++shade)
    out.path(shade_look(shade), paths[shade]);
  name_rows(out, of, cell);
  name_columns(out, of, cell, bottom + 14);
  out.text("q m", (left + chart_width) / 2, bottom + 29, "step (across), layer (down)");
  return out.svg(label);
}

std::string draw_heat_scale() {
  constexpr double height = 10;
  double const width = (chart_width - 8) / static_cast<double>(shade_from.size());
  drawing out(chart_width, 28);
  for (std::size_t shade = 0; shade < shade_from.size(); ++shade) {
    double const x = width * static_cast<double>(shade);
    out.rect(shade_look(shade), x, 2, width, height);
    out.text("q", x, 24, decimal(shade_from[shade], 2));
  }
  return out.svg("Scale of the shades: busiest rank over mean rank, from 1 to 10 and more");
}

}  // namespace llep::tool
