// SPDX-License-Identifier: Apache-2.0
#include "line_chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "page_words.hpp"
#include "svg.hpp"
#include "tick_stride.hpp"

namespace llep::tool {
namespace {

constexpr double left = 30;
constexpr double right = chart_width - 6;
constexpr double top = 12;
constexpr double bottom = 180;
constexpr double height = bottom + 36;

// 1, 2 or 5 times a power of ten, so that about five of them reach `largest`.
double tick_of(double largest) {
  double const rough = std::max(largest, 1e-9) / 5;
  double const ten = std::pow(10, std::floor(std::log10(rough)));
  for (double const digit : {1.0, 2.0, 5.0})
    if (digit * ten >= rough) return digit * ten;
  return 10 * ten;
}

std::string path_of(std::vector<double> const& values, std::size_t steps, double largest) {
  constexpr std::size_t most_points = 340;  // about one a unit of width
  std::size_t const stride = (values.size() + most_points - 1) / most_points;
  std::string path;
  for (std::size_t i = 0; i < values.size(); i += std::max<std::size_t>(stride, 1)) {
    if (!std::isfinite(values[i])) continue;
    double const share = static_cast<double>(i) / static_cast<double>(steps - 1);
    path += (path.empty() ? 'M' : 'L') + units(left + (right - left) * share) + ' ' +
            units(bottom - (bottom - top) * std::clamp(values[i] / largest, 0.0, 1.0));
  }
  return path;
}

}  // namespace

std::string draw_lines(std::vector<chart_line> const& of, std::string const& label) {
  double largest = 0;
  std::size_t steps = 2;
  for (auto const& line : of) {
    for (double const value : line.values)
      if (std::isfinite(value)) largest = std::max(largest, value);
    steps = std::max(steps, line.values.size());
  }
  double const tick = tick_of(largest);
  largest = std::max(tick, tick * std::ceil(largest / tick));
  drawing out(chart_width, height);
  for (double value = 0; value <= largest * 1.001; value += tick) {
    double const y = bottom - (bottom - top) * value / largest;
    out.line("grid", left, y, right, y);
    out.text("q e", left - 5, y + 4, decimal(value, 3));
  }
  std::size_t const stride = tick_stride(steps, 6);
  for (std::size_t step = 0; step < steps; step += stride) {
    double const share = static_cast<double>(step) / static_cast<double>(steps - 1);
    out.text("q m", left + (right - left) * share, bottom + 15, std::to_string(step));
  }
  out.text("q m", (left + right) / 2, bottom + 31, "step");
  for (auto const& line : of) out.path(line.look, path_of(line.values, steps, largest));
  return out.svg(label);
}

}  // namespace llep::tool
