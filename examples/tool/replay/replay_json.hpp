// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "replay_run.hpp"

namespace llep::tool {

/// A replay as one JSON object and an end of line. Numbers are exact: they read back as they were.
[[nodiscard]] std::string replay_json(load_trace const& trace, replay_setup const& setup,
                                      replay_result const& result);

}  // namespace llep::tool
