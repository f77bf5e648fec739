// SPDX-License-Identifier: Apache-2.0
#include "lending_matrix.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "page_words.hpp"
#include "svg.hpp"

namespace llep::tool {
namespace {

constexpr double left = 30;
constexpr double top = 34;
constexpr double sums = 44;  // room for the sums

struct cell_grid {
  double size;
  double sums_right;
  double high;

  explicit cell_grid(std::int32_t ranks)
      : size(std::clamp((chart_width - left - sums) / ranks, 24.0, 44.0)),
        sums_right(left + size * ranks + sums),
        high(std::min(size, 26.0)) {}
  [[nodiscard]] double x(rank_id to) const { return left + size * to; }
  [[nodiscard]] double y(rank_id from) const { return top + high * from; }
  [[nodiscard]] double middle(rank_id to) const { return x(to) + size / 2; }
  [[nodiscard]] double base(rank_id from) const { return y(from) + high / 2 + 4; }
};

// One of five, even where there are few counts.
std::string cell_look(std::int64_t count, std::int64_t most) {
  return "c" + std::to_string(std::max<std::int64_t>(1, (5 * count + most - 1) / most));
}

void draw_frame(drawing& out, cell_grid const& cell, std::int32_t ranks) {
  out.text("q", 0, 11, "lent by (down) to rank (across)");
  for (rank_id r = 0; r < ranks; ++r) {
    out.text("q m", cell.middle(r), top - 6, std::to_string(r));
    out.text("q e", left - 6, cell.base(r), std::to_string(r));
    out.rect("box", cell.x(r), cell.y(r), cell.size, cell.high);  // nobody lends to itself
  }
  std::string lines;
  for (std::int32_t i = 0; i <= ranks; ++i)
    lines += 'M' + units(cell.x(0)) + ' ' + units(cell.y(i)) + 'H' + units(cell.x(ranks)) + 'M' +
             units(cell.x(i)) + ' ' + units(cell.y(0)) + 'V' + units(cell.y(ranks));
  out.path("grid", lines);
}

}  // namespace

double lending_matrix_width(std::int32_t ranks) {
  return std::max(cell_grid(ranks).sums_right, chart_width);
}

std::string draw_lending_matrix(lending_counts const& of, std::int32_t ranks,
                                std::string const& label) {
  cell_grid const cell(ranks);
  drawing out(lending_matrix_width(ranks), cell.y(ranks) + 22);
  std::vector<std::int64_t> by(static_cast<std::size_t>(ranks), 0);
  auto to = by;
  std::int64_t most = 0;
  for (auto const& [way, count] : of) {
    by[static_cast<std::size_t>(way.first)] += count;
    to[static_cast<std::size_t>(way.second)] += count;
    most = std::max(most, count);
  }
  char const* const look = cell.size < 30 ? "s m" : "m";
  for (auto const& [way, count] : of) {
    out.rect(cell_look(count, most), cell.x(way.second), cell.y(way.first), cell.size, cell.high);
    out.text(look, cell.middle(way.second), cell.base(way.first), short_count(count));
  }
  draw_frame(out, cell, ranks);
  out.text("q e", cell.sums_right, top - 6, "all");
  for (rank_id r = 0; r < ranks; ++r) {
    auto const at = static_cast<std::size_t>(r);
    out.text("q e", cell.sums_right, cell.base(r), short_count(by[at]));
    out.text(cell.size < 30 ? "s q m" : "q m", cell.middle(r), cell.y(ranks) + 15,
             short_count(to[at]));
  }
  return out.svg(label);
}

}  // namespace llep::tool
