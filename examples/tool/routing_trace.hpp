// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "input_error.hpp"
#include "read_file.hpp"
#include "trace_header.hpp"

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
  explicit routing_trace_reader(std::string const& path)
      : path_(path), source_(shown(path, 200)), header_(read_file(path), source_) {}

  routing_trace read() {
    routing_trace trace;
    trace.name = header_.text("name");
    trace.model = header_.text("model");
    trace.workload = header_.text("workload");
    trace.experts = header_.number("experts", 1, 256);  // ids are bytes
    trace.choices = header_.number("top_k", 1, 256);
    trace.steps = header_.number("steps", 1, 1'000'000);
    trace.tokens = header_.number("tokens_per_step", 1, 100'000'000);
    trace.layer_ids = header_.numbers("layer_ids");
    if (std::ssize(trace.layer_ids) != header_.number("layers", 1, 100'000))
      header_.fail("layer_ids", "doesn't list as many layers as `layers` says");
    read_ids(trace);
    read_gates(trace);
    return trace;
  }

 private:
  // The bytes of the file that `key` names, which must hold `size` of them.
  [[nodiscard]] std::string data(std::string const& key, std::int64_t size) const {
    auto const file = std::filesystem::path(path_).parent_path() / header_.text(key);
    auto bytes = read_file(file.string());
    if (std::ssize(bytes) != size)
      throw input_error(shown(file.string(), 200) + ": holds " + std::to_string(bytes.size()) +
                        " bytes, the header of " + source_ + " asks for " + std::to_string(size));
    return bytes;
  }

  void read_ids(routing_trace& trace) const {
    std::vector<std::int64_t> const shape{trace.steps, std::ssize(trace.layer_ids), trace.tokens,
                                          trace.choices};
    if (header_.numbers("topk_shape") != shape)
      header_.fail("topk_shape", "doesn't agree with the other sizes");
    auto const bytes = data("topk_file", shape[0] * shape[1] * shape[2] * shape[3]);
    trace.ids.assign(bytes.begin(), bytes.end());
    auto const bad = std::find_if(trace.ids.begin(), trace.ids.end(),
                                  [&](std::uint8_t id) { return id >= trace.experts; });
    if (bad != trace.ids.end())
      header_.fail("topk_file", "byte " + std::to_string(bad - trace.ids.begin()) +
                                    " names expert " + std::to_string(*bad) + " of " +
                                    std::to_string(trace.experts));
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
  trace_header header_;
};

}  // namespace detail

/// Reads the trace with the header `path` (NAME.csv) and its per-token files beside it.
/// @throws input_error naming file, line and key.
[[nodiscard]] inline routing_trace read_routing_trace(std::string const& path) {
  return detail::routing_trace_reader(path).read();
}

}  // namespace llep::tool
