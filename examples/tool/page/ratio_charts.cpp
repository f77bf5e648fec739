// SPDX-License-Identifier: Apache-2.0
#include "ratio_charts.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "ratio_axis.hpp"
#include "svg.hpp"
#include "tick_stride.hpp"

namespace llep::tool {
namespace {

constexpr double left = 30;
constexpr double right = chart_width - 4;
constexpr double top = 12;
constexpr double bottom = 200;
constexpr double height = bottom + 36;

void name_axis_below(drawing& out, std::string const& words) {
  out.text("q m", (left + right) / 2, bottom + 31, words);
}

// A line through at most so many of the values, the first and the last among them.
std::string curve_path(std::vector<double> const& falling, ratio_axis const& axis) {
  constexpr std::size_t most_points = 160;
  if (falling.empty()) return "";
  std::size_t const last = falling.size() - 1;
  std::size_t const points = std::min(falling.size(), most_points);
  if (points == 1) return 'M' + units(left) + ' ' + units(axis.at(falling[0])) + 'H' + units(right);
  std::string path;
  for (std::size_t n = 0; n < points; ++n) {
    std::size_t const i = n * last / (points - 1);
    double const x = left + (right - left) * static_cast<double>(i) / static_cast<double>(last);
    path += (n == 0 ? 'M' : 'L') + units(x) + ' ' + units(axis.at(falling[i]));
  }
  return path;
}

// A rectangle around x from the one ratio up to the other.
void draw_range(drawing& out, ratio_axis const& axis, char const* look, double x, double width,
                double from, double to) {
  constexpr double thinnest = 0.8;
  double const high = std::max(axis.at(from) - axis.at(to), thinnest);
  out.rect(look, x - width / 2, axis.at(to), width, high);
}

}  // namespace

std::string draw_ratio_curves(std::vector<ratio_curve> const& of, double marked,
                              std::string const& label) {
  double largest = marked;
  for (auto const& curve : of)
    if (!curve.falling.empty()) largest = std::max(largest, curve.falling.front());
  ratio_axis const axis(largest, top, bottom);
  drawing out(chart_width, height);
  axis.draw(out, left, right, marked);
  for (int tenths = 0; tenths <= 10; tenths += 2) {
    double const x = left + (right - left) * tenths / 10;
    out.text(tenths == 10 ? "q e" : "q m", x, bottom + 15, std::to_string(10 * tenths) + "\u202F%");
  }
  name_axis_below(out, "share of pairs that are at least so uneven");
  for (auto const& curve : of) out.path(curve.look, curve_path(curve.falling, axis));
  return out.svg(label);
}

std::string draw_spreads(spread_chart const& of, std::string const& label) {
  ratio_axis const axis(std::max(of.largest, of.marked), top, bottom);
  drawing out(chart_width, height);
  axis.draw(out, left, right, of.marked);
  auto const count = of.spreads.size();
  double const pitch = (right - left) / static_cast<double>(std::max<std::size_t>(count, 1));
  double const width = std::clamp(pitch * 0.6, 1.0, 12.0);
  auto const stride = tick_stride(count, (right - left) / 24);
  for (std::size_t i = 0; i < count; ++i) {
    ratio_spread const& s = of.spreads[i];
    double const x = left + pitch * (static_cast<double>(i) + 0.5);
    draw_range(out, axis, "range", x, width, s.least, s.most);
    draw_range(out, axis, "half", x, width, s.lower, s.upper);
    draw_range(out, axis, "dot", x, width, s.median, s.median * 1.01);
    if (i % stride == 0) out.text("q m", x, bottom + 15, s.name);
  }
  name_axis_below(out, of.below);
  return out.svg(label);
}

}  // namespace llep::tool
