// SPDX-License-Identifier: Apache-2.0
#include "router_trace.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "../input_error.hpp"

namespace llep::tool {
namespace {

constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t most_layer = std::numeric_limits<std::int32_t>::max();
// A parsed record takes many times its text.
constexpr std::size_t most_line_bytes = std::size_t{1} << 26;

}  // namespace

void router_trace_reader::add(std::string_view text, std::string const& source) {
  files_.push_back(source);
  bool any = false;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    auto const line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (line.size() > most_line_bytes)
      throw input_error(source + ':' + std::to_string(number) + ": record: has more than " +
                        std::to_string(most_line_bytes) + " bytes");
    json_document const document(line, source, number);
    add_record(json_field(document), number);
    any = true;
  }
  if (!any) throw input_error(source + ":1: record: the file holds none");
}

void router_trace_reader::add_record(json_field const& line, std::int64_t number) {
  pair_key key;
  key.first = line.at("step").whole(0, largest);
  key.second.layer = line.at("layer").whole(0, most_layer);
  if (line.has("block")) {
    auto const block = line.at("block");
    if (block.text() == "mtp")
      key.second.mtp_idx = line.at("mtp_idx").whole(0, most_layer);
    else if (block.text() != "decoder")
      block.fail("must be decoder or mtp, not " + shown(block.text()));
  }
  auto const rank = line.at("rank").whole(0, most_trace_axis - 1);
  auto const [at, is_new] = pairs_[key].try_emplace(rank, record{files_.size() - 1, number, {}});
  if (!is_new)
    line.at("rank").fail(std::to_string(rank) + " has a record of this step and layer already, " +
                         place(at->second));
  if (std::cmp_greater(pairs_.size(), most_trace_pairs))
    line.at("step").fail("there are more than " + std::to_string(most_trace_pairs) +
                         " (step, layer) pairs");
  ranks_ = std::max(ranks_, rank + 1);
  at->second.counts = count(line);
}

// Rows of the record by expert.
std::vector<std::pair<expert_id, row_count>> router_trace_reader::count(json_field const& line) {
  auto const tokens = line.at("top_indices");
  if (line.at("num_tokens").whole(0, largest) != std::ssize(tokens))
    line.at("num_tokens").fail("top_indices holds " + std::to_string(tokens.size()));
  auto const choices = line.at("topk").whole(1, most_trace_axis);
  if (choices_ != choices) choices_ = choices_ < 0 ? choices : 0;
  std::vector<expert_id> seen;
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    auto const token = tokens.item(t);
    auto const ids = token.wholes(0, experts_.value_or(most_trace_axis) - 1);
    if (std::ssize(ids) != choices)
      token.fail("holds " + std::to_string(ids.size()) + " experts, topk says " +
                 std::to_string(choices));
    for (std::int64_t const id : ids) {
      if (id >= std::ssize(tally_)) tally_.resize(static_cast<std::size_t>(id) + 1);
      if (tally_[static_cast<std::size_t>(id)]++ == 0) seen.push_back(static_cast<expert_id>(id));
    }
  }
  std::vector<std::pair<expert_id, row_count>> counts;
  counts.reserve(seen.size());
  for (expert_id const e : seen)
    counts.emplace_back(e, std::exchange(tally_[static_cast<std::size_t>(e)], 0));
  return counts;
}

std::string router_trace_reader::place(record const& of) const {
  return files_[of.file] + ':' + std::to_string(of.line);
}

std::map<router_trace_reader::layer_key, std::int64_t> router_trace_reader::layer_numbers() const {
  std::map<layer_key, std::int64_t> numbers;
  for (auto const& [key, records] : pairs_) numbers.emplace(key.second, key.second.layer);
  std::int64_t next = 0;  // decoder layers come first: their mtp_idx is -1
  for (auto& [key, number] : numbers) {
    if (key.mtp_idx >= 0) number = next;
    next = number + 1;
  }
  return numbers;
}

// Ranks are 0 .. R-1, and each has a record of every pair.
void router_trace_reader::check_ranks() const {
  for (auto const& [key, records] : pairs_) {
    if (std::ssize(records) == ranks_) continue;
    std::int64_t missing = 0;
    while (records.contains(missing)) ++missing;
    throw input_error(place(records.begin()->second) + ": rank: there is no record of rank " +
                      std::to_string(missing) + " of " + std::to_string(ranks_) +
                      " for this step and layer; a directory is read with all ranks' files");
  }
}

load_trace router_trace_reader::finish(std::string const& name) {
  check_ranks();
  load_trace trace;
  trace.name = name;
  trace.experts_said = experts_.has_value();
  trace.experts = experts_.value_or(static_cast<std::int32_t>(tally_.size()));
  if (trace.experts == 0) throw input_error(files_.front() + ":1: top_indices: nobody has a token");
  trace.choices = choices_;
  trace.sources = static_cast<std::int32_t>(ranks_);
  trace.sources_known = true;
  std::int64_t const counts_of_pair = ranks_ * trace.experts;
  if (counts_of_pair > most_trace_counts / std::ssize(pairs_))
    throw input_error(files_.front() + ":1: rank: " + std::to_string(pairs_.size()) +
                      " (step, layer) pairs of " + std::to_string(ranks_) + " ranks and " +
                      std::to_string(trace.experts) + " experts are more than " +
                      std::to_string(most_trace_counts) + " counts");
  auto const numbers = layer_numbers();  // in the order of the keys, so the pairs are in theirs
  trace.pairs.reserve(pairs_.size());
  for (auto const& [key, records] : pairs_) {
    trace_pair pair{key.first, numbers.at(key.second), {}};
    pair.counts.assign(static_cast<std::size_t>(counts_of_pair), 0);
    for (auto const& [rank, one] : records)
      for (auto const& [e, rows] : one.counts)
        pair.counts[static_cast<std::size_t>(rank * trace.experts + e)] = rows;
    trace.pairs.push_back(std::move(pair));
  }
  return trace;
}

}  // namespace llep::tool
