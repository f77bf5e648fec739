// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/shape.hpp>

#include "../demo_report.hpp"
#include "../demo_totals.hpp"
#include "plan_picture.hpp"

namespace llep::tool {

// What the page of the demo tells, as numbers.

/// The plan of the n-th layer.
[[nodiscard]] plan_picture layer_plan(demo_comparison const& both, std::size_t n);

/// The position of the layer that is most uneven under standard EP.
[[nodiscard]] std::size_t most_uneven_layer(demo_comparison const& both);

}  // namespace llep::tool
