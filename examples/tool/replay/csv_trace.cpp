// SPDX-License-Identifier: Apache-2.0
#include "csv_trace.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <numeric>
#include <system_error>
#include <utility>
#include <vector>

#include "../input_error.hpp"
#include "../trace_header.hpp"

namespace llep::tool {
namespace {

constexpr row_count most_rows = std::numeric_limits<row_count>::max();
constexpr std::string_view first_line = "# moe-load-trace ";

std::vector<std::string> split_names(std::string const& text) {
  constexpr std::string_view between = " | ";
  std::vector<std::string> names;
  std::size_t from = 0;
  for (;;) {
    auto const to = text.find(between, from);
    names.push_back(text.substr(from, to - from));
    if (to == std::string::npos) return names;
    from = to + between.size();
  }
}

class csv_trace_reader {
 public:
  csv_trace_reader(std::string_view text, std::string const& source)
      : source_(source), header_(text, source), left_(text.substr(header_.bytes())) {
    auto const version = text.substr(0, text.find_first_of("\r\n"));
    if (header_.lines() == 0)
      throw input_error(source_ + ":1: header: must begin with \"" + std::string(first_line) +
                        "1\" or another line \"# key: value\", not " + shown(version));
    if (version.starts_with(first_line) && version.substr(first_line.size()) != "1")
      throw input_error(source_ + ":1: moe-load-trace: only version 1 can be read, not " +
                        shown(version.substr(first_line.size())));
  }

  load_trace read(std::string const& stem, std::optional<std::int32_t> experts) {
    read_header(stem, experts);
    std::int64_t number = header_.lines();
    while (!left_.empty()) {
      ++number;
      auto line = left_.substr(0, left_.find('\n'));
      left_.remove_prefix(std::min(left_.size(), line.size() + 1));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.find_first_not_of(" \t") != std::string_view::npos) read_row(line, number);
    }
    if (rows_ < steps_ * std::ssize(layers_) * trace_.sources)
      fail(number, "step", "the rows end before the one of " + expected());
    return std::move(trace_);
  }

 private:
  void read_header(std::string const& stem, std::optional<std::int32_t> experts) {
    trace_.name = header_.text_or("name", stem);
    trace_.model = header_.text_or("model", "");
    trace_.workload = header_.text_or("workload", "");
    trace_.experts = static_cast<std::int32_t>(header_.number("experts", 1, most_trace_axis));
    if (experts && *experts != trace_.experts)
      throw input_error("--experts: is " + std::to_string(*experts) + ", but " + source_ +
                        " says experts: " + std::to_string(trace_.experts));
    steps_ = header_.number("steps", 1, most_trace_pairs);
    read_layers();
    if (steps_ > most_trace_pairs / std::ssize(layers_))
      header_.fail("steps", "times the layers must be at most " + std::to_string(most_trace_pairs));
    auto const sources = static_cast<std::int32_t>(header_.number("src_ranks", 0, most_trace_axis));
    trace_.sources_known = sources > 0;
    trace_.sources = std::max(sources, 1);
    if (header_.has("top_k"))
      if (auto const choices = header_.any_numbers("top_k"); !choices.empty())
        trace_.choices = std::max(choices.front(), std::int64_t{0});
    if (header_.has("step_names")) trace_.step_names = split_names(header_.text("step_names"));
    if (std::ssize(trace_.step_names) != steps_) trace_.step_names.clear();
  }

  void read_layers() {
    if (!header_.has("layer_ids")) {
      layers_.resize(static_cast<std::size_t>(header_.number("layers", 1, most_trace_pairs)));
      std::iota(layers_.begin(), layers_.end(), std::int64_t{0});
      return;
    }
    layers_ = header_.numbers("layer_ids");
    if (header_.has("layers") &&
        std::ssize(layers_) != header_.number("layers", 1, most_trace_pairs))
      header_.fail("layer_ids", "doesn't list as many layers as `layers` says");
    auto sorted = layers_;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.front() < 0) header_.fail("layer_ids", "must not be negative");
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
      header_.fail("layer_ids", "lists a layer twice");
  }

  [[noreturn]] void fail(std::int64_t line, std::string const& field,
                         std::string const& what) const {
    throw input_error(source_ + ':' + std::to_string(line) + ": " + field + ": " + what);
  }

  // Which row comes next.
  [[nodiscard]] std::int64_t next_step() const {
    return rows_ / trace_.sources / std::ssize(layers_);
  }
  [[nodiscard]] std::int64_t next_layer() const {
    return layers_[static_cast<std::size_t>(rows_ / trace_.sources % std::ssize(layers_))];
  }
  [[nodiscard]] std::int64_t next_source() const {
    return trace_.sources_known ? rows_ % trace_.sources : -1;
  }
  [[nodiscard]] std::string expected() const {
    return "step " + std::to_string(next_step()) + ", layer " + std::to_string(next_layer()) +
           ", src_rank " + std::to_string(next_source());
  }

  void read_row(std::string_view line, std::int64_t number) {
    if (rows_ == steps_ * std::ssize(layers_) * trace_.sources)
      fail(number, "step", "there are more rows than steps x layers x src_ranks");
    auto const columns = std::count(line.begin(), line.end(), ',') + 1;
    if (columns != std::int64_t{trace_.experts} + 3)
      fail(number, "columns",
           "there are " + std::to_string(columns) + ", but step, layer, src_rank and " +
               std::to_string(trace_.experts) + " experts are " +
               std::to_string(std::int64_t{trace_.experts} + 3));
    read_place(line, number);
    if (rows_ % trace_.sources == 0) trace_.pairs.push_back({next_step(), next_layer(), {}});
    read_counts(line, number);
    ++rows_;
  }

  void read_place(std::string_view& line, std::int64_t number) const {
    auto const step = take(line, number, "step");
    if (step >= steps_)
      fail(number, "step", std::to_string(step) + " is not below " + std::to_string(steps_));
    auto const layer = take(line, number, "layer");
    if (layer != next_layer() && std::find(layers_.begin(), layers_.end(), layer) == layers_.end())
      fail(number, "layer", std::to_string(layer) + " is not in layer_ids");
    auto const source = take(line, number, "src_rank", -1);
    if (trace_.sources_known ? source < 0 || source >= trace_.sources : source != -1)
      fail(number, "src_rank",
           "must be " +
               (trace_.sources_known ? "from 0 to " + std::to_string(trace_.sources - 1)
                                     : std::string("-1, as src_ranks is 0")) +
               ", not " + std::to_string(source));
    std::string_view wrong;
    if (source != next_source()) wrong = "src_rank";
    if (layer != next_layer()) wrong = "layer";
    if (step != next_step()) wrong = "step";
    if (!wrong.empty())
      fail(number, std::string(wrong), "the row of " + expected() + " must stand here");
  }

  void read_counts(std::string_view& line, std::int64_t number) {
    auto& counts = trace_.pairs.back().counts;
    for (expert_id e = 0; e < trace_.experts; ++e) {
      std::string const field = "e" + std::to_string(e);
      row_count const rows = take(line, number, field);
      if (rows > most_rows - total_)
        fail(number, field, "the counts up to here add up to more than 2^63 - 1");
      total_ += rows;
      counts.push_back(rows);
    }
  }

  // The row's next column, a whole number of at least `least`.
  std::int64_t take(std::string_view& line, std::int64_t number, std::string_view field,
                    std::int64_t least = 0) const {
    auto const text = line.substr(0, line.find(','));
    line.remove_prefix(std::min(line.size(), text.size() + 1));
    std::int64_t value = 0;
    char const* const end = text.data() + text.size();
    auto const [stop, status] = std::from_chars(text.data(), end, value);
    if (status != std::errc{} || stop != end || value < least)
      fail(number, std::string(field),
           "must be a whole number of at least " + std::to_string(least) + " and below 2^63, not " +
               (text.empty() ? "empty" : shown(text)));
    return value;
  }

  std::string source_;
  trace_header header_;
  std::string_view left_;  // what isn't read yet
  load_trace trace_;
  std::int64_t steps_ = 0;
  std::vector<std::int64_t> layers_;
  std::int64_t rows_ = 0;  // read so far
  row_count total_ = 0;
};

}  // namespace

load_trace read_csv_trace(std::string_view text, std::string const& source, std::string const& stem,
                          std::optional<std::int32_t> experts) {
  return csv_trace_reader(text, source).read(stem, experts);
}

}  // namespace llep::tool
