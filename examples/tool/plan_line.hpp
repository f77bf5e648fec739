// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <llep/plan.hpp>

namespace llep::tool {

/// Appends plans to a text, one JSON object a line. By hand: a plan may have millions of spans.
class plan_writer {
 public:
  explicit plan_writer(std::string& out) : out_(&out) {}

  void write(std::string const& id, std::string_view planner, problem const& in, plan const& p) {
    put("{\"id\":").put(nlohmann::json(id).dump()).put(",\"planner\":\"").put(planner);
    put("\",\"assignments\":{");
    write_assignments(p);
    put("},\"transfers\":[");
    write_transfers(in, p);
    put("],\"rank_loads\":[");
    write_rank_loads(in, p);
    put("]}\n");
  }

 private:
  // "3":[[0,0,17],[1,17,20]], for every expert with rows, in the order of decision.
  void write_assignments(plan const& p) {
    for (std::size_t i = 0; i < p.spans.size(); ++i) {
      row_span const& s = p.spans[i];
      bool const goes_on = i > 0 && p.spans[i - 1].expert == s.expert;
      if (!goes_on) put(i > 0 ? "],\"" : "\"").put(s.expert).put("\":[");
      put(goes_on ? ",[" : "[").put(s.rank).put(",").put(s.begin).put(",").put(s.end).put("]");
    }
    if (!p.spans.empty()) put("]");
  }

  // [expert,from,to,begin,end] for every span that isn't at the owner.
  void write_transfers(problem const& in, plan const& p) {
    char const* between = "[";
    for (row_span const& s : p.spans) {
      rank_id const owner = in.owner[static_cast<std::size_t>(s.expert)];
      if (s.rank == owner) continue;
      put(between).put(s.expert).put(",").put(owner).put(",").put(s.rank).put(",");
      put(s.begin).put(",").put(s.end).put("]");
      between = ",[";
    }
  }

  void write_rank_loads(problem const& in, plan const& p) {
    loads_.assign(static_cast<std::size_t>(in.ranks), 0);
    for (row_span const& s : p.spans) loads_[static_cast<std::size_t>(s.rank)] += s.end - s.begin;
    char const* between = "";
    for (row_count const load : loads_) {
      put(between).put(load);
      between = ",";
    }
  }

  plan_writer& put(std::string_view text) {
    out_->append(text);
    return *this;
  }
  plan_writer& put(std::int64_t number) {
    char digits[24];
    auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    out_->append(digits, end);
    return *this;
  }

  std::string* out_;
  std::vector<row_count> loads_;
};

}  // namespace llep::tool
