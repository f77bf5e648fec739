// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "../replay/load_trace.hpp"
#include "../replay/replay_run.hpp"

namespace llep::tool {

/// A replay as one self-contained page.
[[nodiscard]] std::string replay_page(load_trace const& trace, replay_setup const& setup,
                                      replay_result const& result);

}  // namespace llep::tool
