// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "load_trace.hpp"

namespace llep::tool {

/// The trace in a text of `# key: value` lines and rows `step,layer,src_rank,e0,e1,...`.
///
/// Needed keys: experts, steps, src_ranks (0: only sums are known, and the column holds -1), and
/// layers, layer_ids or both. The rows go by step, then layer in the order of layer_ids, then
/// source rank, and none is left out.
/// @param source what messages call the file
/// @param stem   the trace's name, where the header doesn't say it
/// @throws input_error naming file, line and field
[[nodiscard]] load_trace read_csv_trace(std::string_view text, std::string const& source,
                                        std::string const& stem,
                                        std::optional<std::int32_t> experts);

}  // namespace llep::tool
