// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "input_error.hpp"
#include "read_file.hpp"

namespace llep::tool {

/// Recorded routing: which experts every token of every step chose in every layer, and with what
/// gate weights.
struct routing_trace {
  std::string name;
  std::string model;
  std::string workload;
  std::int64_t experts = 0;
  std::int64_t choices = 0;  ///< K
  std::int64_t steps = 0;
  std::int64_t tokens = 0;  ///< a step
  std::vector<std::int64_t> layer_ids;
  std::vector<std::uint8_t> ids;     ///< [steps][layers][tokens][K]
  std::vector<std::uint16_t> gates;  ///< the same, in ten thousandths

  /// Where the choices of a step in the n-th recorded layer begin.
  [[nodiscard]] std::size_t first(std::int64_t step, std::int64_t layer) const {
    return static_cast<std::size_t>((step * std::ssize(layer_ids) + layer) * tokens * choices);
  }
};

namespace detail {

/// Reads a trace: the header of its .csv file, and the per-token files that the header names.
class routing_trace_reader {
 public:
  explicit routing_trace_reader(std::string const& path) : path_(path), source_(shown(path, 200)) {
    std::string const text = read_file(path);
    std::string_view left = text;
    for (std::int64_t number = 1; left.starts_with('#'); ++number) {
      auto const line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(left.size(), line.size() + 1));
      read_line(line, number);
    }
  }

  routing_trace read() {
    routing_trace trace;
    trace.name = text("name");
    trace.model = text("model");
    trace.workload = text("workload");
    trace.experts = number("experts", 256);  // ids are bytes
    trace.choices = number("top_k", 256);
    trace.steps = number("steps", 1'000'000);
    trace.tokens = number("tokens_per_step", 100'000'000);
    trace.layer_ids = numbers("layer_ids");
    if (std::ssize(trace.layer_ids) != number("layers", 100'000))
      fail("layer_ids", "doesn't list as many layers as `layers` says");
    read_ids(trace);
    read_gates(trace);
    return trace;
  }

 private:
  struct entry {
    std::string value;
    std::int64_t line = 0;
  };

  // "# key: value"; a line without a key is a remark.
  void read_line(std::string_view line, std::int64_t number) {
    auto const colon = line.find(": ");
    if (!line.starts_with("# ") || colon == std::string_view::npos) return;
    std::string const key(line.substr(2, colon - 2));
    auto value = line.substr(colon + 2);
    if (value.ends_with('\r')) value.remove_suffix(1);
    if (!entries_.emplace(key, entry{std::string(value), number}).second)
      throw input_error(source_ + ':' + std::to_string(number) + ": " + shown(key) +
                        ": named twice");
  }

  [[nodiscard]] std::string const& text(std::string const& key) const {
    auto const found = entries_.find(key);
    if (found == entries_.end()) throw input_error(source_ + ":1: " + key + ": missing");
    return found->second.value;
  }

  [[noreturn]] void fail(std::string const& key, std::string const& what) const {
    throw input_error(source_ + ':' + std::to_string(entries_.at(key).line) + ": " + key + ": " +
                      what);
  }

  // The whole numbers that the value starts with; more text may follow them.
  [[nodiscard]] std::vector<std::int64_t> numbers(std::string const& key) const {
    std::string const& value = text(key);
    char const* at = value.data();
    char const* const end = at + value.size();
    std::vector<std::int64_t> found;
    for (;;) {
      while (at != end && *at == ' ') ++at;
      std::int64_t number = 0;
      auto const [next, status] = std::from_chars(at, end, number);
      if (status != std::errc{} || (next != end && *next != ' ')) break;
      found.push_back(number);
      at = next;
    }
    if (found.empty()) fail(key, "must be a whole number");
    return found;
  }

  [[nodiscard]] std::int64_t number(std::string const& key, std::int64_t most) const {
    auto const found = numbers(key);
    if (found.front() < 1 || found.front() > most)
      fail(key, "must be from 1 to " + std::to_string(most));
    return found.front();
  }

  // The bytes of the file that `key` names, which must hold `size` of them.
  [[nodiscard]] std::string data(std::string const& key, std::int64_t size) const {
    auto const file = std::filesystem::path(path_).parent_path() / text(key);
    auto bytes = read_file(file.string());
    if (std::ssize(bytes) != size)
      throw input_error(shown(file.string(), 200) + ": holds " + std::to_string(bytes.size()) +
                        " bytes, the header of " + source_ + " asks for " + std::to_string(size));
    return bytes;
  }

  void read_ids(routing_trace& trace) const {
    std::vector<std::int64_t> const shape{trace.steps, std::ssize(trace.layer_ids), trace.tokens,
                                          trace.choices};
    if (numbers("topk_shape") != shape) fail("topk_shape", "doesn't agree with the other sizes");
    auto const bytes = data("topk_file", shape[0] * shape[1] * shape[2] * shape[3]);
    trace.ids.assign(bytes.begin(), bytes.end());
    auto const bad = std::find_if(trace.ids.begin(), trace.ids.end(),
                                  [&](std::uint8_t id) { return id >= trace.experts; });
    if (bad != trace.ids.end())
      fail("topk_file", "byte " + std::to_string(bad - trace.ids.begin()) + " names expert " +
                            std::to_string(*bad) + " of " + std::to_string(trace.experts));
  }

  void read_gates(routing_trace& trace) const {
    auto const bytes = data("topw_file", 2 * std::ssize(trace.ids));
    trace.gates.reserve(trace.ids.size());
    for (std::size_t i = 0; i < bytes.size(); i += 2)
      trace.gates.push_back(static_cast<std::uint16_t>(
          static_cast<unsigned char>(bytes[i]) + (static_cast<unsigned char>(bytes[i + 1]) << 8)));
  }

  std::string path_;
  std::string source_;
  std::map<std::string, entry> entries_;
};

}  // namespace detail

/// Reads the trace with the header `path` (NAME.csv) and its per-token files beside it.
/// @throws input_error naming file, line and key.
[[nodiscard]] inline routing_trace read_routing_trace(std::string const& path) {
  return detail::routing_trace_reader(path).read();
}

}  // namespace llep::tool
