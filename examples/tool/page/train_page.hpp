// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "../train_report.hpp"

namespace llep::tool {

/// A model's training, twice, as one self-contained page.
[[nodiscard]] std::string train_page(train_comparison const& both);

}  // namespace llep::tool
