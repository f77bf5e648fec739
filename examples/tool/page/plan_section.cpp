// SPDX-License-Identifier: Apache-2.0
#include "plan_section.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "document.hpp"
#include "page_words.hpp"

namespace llep::tool {

std::string rank_load_figure(plan_picture const& of, std::string const& planner,
                             std::string const& title) {
  auto const bars = rank_loads(of, planner);
  auto const& before = bars.before.note;
  auto const& after = bars.after.note;
  return figure(
      title,
      draw_rank_bars(bars, "Bars: rows of each rank under standard EP, " + before + ", and under " +
                               planner + ", " + after),
      "Rows that each rank computes. The dashed line is the mean." + ranks_left_out(bars));
}

std::string load_legend() {
  return legend({{"native", "rows of the rank\u2019s own experts"},
                 {"lent", "rows computed with experts lent to it"}});
}

std::string lending_list(plan_picture const& of, std::string const& title, std::size_t most) {
  auto const all = lendings(of);
  std::string const heading = title + ", " + grouped(std::ssize(all)) + " in all";
  if (all.empty()) return figure(heading, "", "No expert is lent.");
  table lent{{"expert", "lent by rank", "to rank", "rows"}, {}};
  row_count rest = 0;
  for (std::size_t i = most; i < all.size(); ++i) rest += all[i].rows;
  for (std::size_t i = 0; i < std::min(most, all.size()); ++i)
    lent.rows.push_back({"e" + std::to_string(all[i].expert), std::to_string(all[i].from),
                         std::to_string(all[i].to), grouped(all[i].rows)});
  std::string caption = "Whose weights travel, and for how many rows.";
  if (all.size() > most)
    caption += " Not listed: " + grouped(std::ssize(all) - static_cast<std::int64_t>(most)) +
               " more, with " + counted(rest, "row") + " together.";
  return figure(heading, lent.html(), caption);
}

std::string plan_figures(plan_picture const& of) {
  constexpr std::size_t most = 16;
  auto const flow = row_flow(of);
  return side_by_side(
      figure("Where the hottest experts\u2019 rows are computed",
             draw_flow(flow, "Flow: rows of the hottest experts to the ranks that compute them") +
                 legend({{"rib", "at the owner"}, {"riblent", "at a rank it is lent to"}}),
             "A ribbon is as wide as its rows. Experts by owner, top to bottom; the hottest are "
             "drawn by themselves." +
                 flow.left_out) +
      lending_list(of, "Experts lent", most));
}

}  // namespace llep::tool
