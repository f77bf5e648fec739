// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../json_field.hpp"
#include "load_trace.hpp"

namespace llep::tool {

/// Reads a router trace as Megatron-LM's RouterTracer writes it: one JSON object a line for every
/// step, layer and rank, with the experts that each of the rank's tokens chose.
///
/// Read are step, layer, rank, num_tokens, topk, top_indices, block ("decoder", also where it is
/// left out, or "mtp") and, for mtp, mtp_idx; anything else is ignored. The records may come in any
/// order and from several files. Decoder layers keep their numbers; mtp layers, by mtp_idx and
/// layer, get those after the largest of them.
class router_trace_reader {
 public:
  /// @param experts E; where it isn't given it is the largest id seen, and one
  explicit router_trace_reader(std::optional<std::int32_t> experts) : experts_(experts) {}

  /// Takes in the records of a file. `source` is what messages call it.
  /// @throws input_error naming file, line and field; or if the file has no record
  void add(std::string_view text, std::string const& source);

  /// The trace, once all files are in.
  /// @throws input_error unless every (step, layer) has one record of each rank
  [[nodiscard]] load_trace finish(std::string const& name);

 private:
  struct layer_key {
    std::int64_t mtp_idx = -1;  // -1: a decoder layer
    std::int64_t layer = 0;
    auto operator<=>(layer_key const&) const = default;
  };
  struct record {
    std::size_t file = 0;
    std::int64_t line = 0;
    std::vector<std::pair<expert_id, row_count>> counts;  // of the experts that have rows
  };
  using pair_key = std::pair<std::int64_t, layer_key>;  // step, layer
  using records_of_pair = std::map<std::int64_t, record>;

  void add_record(json_field const& line, std::int64_t number);
  [[nodiscard]] std::vector<std::pair<expert_id, row_count>> count(json_field const& line);
  [[nodiscard]] std::string place(record const& of) const;
  [[nodiscard]] std::map<layer_key, std::int64_t> layer_numbers() const;
  void check_ranks() const;

  std::optional<std::int32_t> experts_;
  std::vector<std::string> files_;
  std::map<pair_key, records_of_pair> pairs_;
  std::vector<row_count> tally_;  // by expert, zero between records
  std::int64_t ranks_ = 0;        // the largest rank seen, and one
  std::int64_t choices_ = -1;     // -1: none seen; 0: not the same everywhere
};

}  // namespace llep::tool
