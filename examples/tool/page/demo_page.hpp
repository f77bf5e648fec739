// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "../demo_report.hpp"

namespace llep::tool {

/// The demo's comparison as one self-contained page.
[[nodiscard]] std::string demo_page(demo_comparison const& both);

}  // namespace llep::tool
