// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "replay_run.hpp"

namespace llep::tool {

/// A replay for people: plain ASCII in at most 100 columns.
[[nodiscard]] std::string replay_report(load_trace const& trace, replay_setup const& setup,
                                        replay_result const& result);

}  // namespace llep::tool
