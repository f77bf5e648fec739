// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

namespace llep::tool {

/// One of how many is named, where `most` names have room: 1, 2, 5, 10, 20, 50 ...
[[nodiscard]] inline std::size_t tick_stride(std::size_t count, double most) {
  auto const room = static_cast<std::size_t>(std::max(most, 1.0));
  std::size_t stride = 1;
  for (std::size_t digit = 1; (count + stride - 1) / stride > room; ++digit)
    stride = digit % 3 == 2 ? stride / 2 * 5 : stride * 2;
  return stride;
}

}  // namespace llep::tool
