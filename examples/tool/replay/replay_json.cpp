// SPDX-License-Identifier: Apache-2.0
#include "replay_json.hpp"

#include <string_view>

#include <nlohmann/json.hpp>

#include "replay_summary.hpp"

namespace llep::tool {
namespace {

using ordered = nlohmann::ordered_json;

// A trace's name may be any bytes, which JSON can't hold.
std::string text_of(ordered const& value) {
  return value.dump(-1, ' ', false, ordered::error_handler_t::replace);
}

ordered of(planner_summary const& s) {
  return {{"planner", s.planner},
          {"pairs", s.pairs},
          {"max_over_mean_before", s.before.mean},
          {"max_over_mean_after", s.after.mean},
          {"moves", s.moves},
          {"moved_rows", s.moved_rows},
          {"worst_time_ratio_to_ep", nullptr},  // no model of time yet
          {"mean_time_ratio_to_ep", nullptr},
          {"worst_max_over_mean_before", s.before.worst},
          {"worst_max_over_mean_after", s.after.worst},
          {"median_planning_us", s.planning_us.median},
          {"max_fan_in", s.most_fan_in},
          {"max_fan_out", s.most_fan_out}};
}

ordered of(load_trace const& trace, replay_setup const& setup, replay_row const& row) {
  return {{"step", trace.pairs[row.pair].step},
          {"layer", trace.pairs[row.pair].layer},
          {"planner", setup.planners[row.planner].name},
          {"max_over_mean_before", row.before},
          {"max_over_mean_after", row.after},
          {"moves", row.moves},
          {"fan_in", row.fan_in},
          {"fan_out", row.fan_out},
          {"moved_rows", row.moved_rows},
          {"planning_us", row.planning_us}};
}

ordered of(load_trace const& trace, imbalance_row const& row) {
  return {{"step", trace.pairs[row.pair].step},   {"layer", trace.pairs[row.pair].layer},
          {"busiest_expert", row.busiest_expert}, {"expert_max_over_mean", row.expert_ratio},
          {"busiest_rank", row.busiest_rank},     {"rank_max_over_mean", row.rank_ratio}};
}

// `object` with one more field, a list. Entry by entry: a tree of millions of them takes many times
// the memory of its text.
template <class Row, class Make>
std::string with_list(ordered const& object, std::string_view name, std::vector<Row> const& rows,
                      Make make) {
  std::string text = text_of(object);
  text.back() = ',';
  text.append("\"").append(name).append("\":[");
  std::string_view between;
  for (Row const& row : rows) {
    text.append(between).append(text_of(make(row)));
    between = ",";
  }
  return text.append("]}");
}

std::string imbalance_text(load_trace const& trace, replay_setup const& setup,
                           replay_result const& result) {
  auto const all = summary(result.imbalances);
  ordered const head{{"pairs", result.imbalances.size()},
                     {"threshold", as_number(setup.threshold())},
                     {"per_rank_triggers", all.per_rank_triggers},
                     {"per_expert_triggers", all.per_expert_triggers}};
  return with_list(head, "rows", result.imbalances,
                   [&](imbalance_row const& row) { return of(trace, row); });
}

ordered settings(load_trace const& trace, replay_setup const& setup) {
  ordered all{{"experts", trace.experts},
              {"alpha", setup.common.alpha.exact()},
              {"min_tokens", setup.common.min_tokens.value()},
              {"threshold", nullptr}};  // everything is planned
  if (setup.common.threshold) all["threshold"] = as_number(setup.threshold());
  return all;
}

}  // namespace

std::string replay_json(load_trace const& trace, replay_setup const& setup,
                        replay_result const& result) {
  ordered head{{"trace", trace.name}, {"ranks", setup.ranks}, {"scale", setup.scale}};
  head["summary"] = ordered::array();
  for (planner_summary const& s : summaries(setup, result)) head["summary"].push_back(of(s));
  auto text = with_list(head, "rows", result.rows,
                        [&](replay_row const& row) { return of(trace, setup, row); });
  text.back() = ',';
  text.append("\"imbalance\":").append(imbalance_text(trace, setup, result));
  return text.append(",\"settings\":").append(text_of(settings(trace, setup))).append("}\n");
}

}  // namespace llep::tool
