// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace llep::tool {

/// The program's bound on ranks, and on experts: far above what exists, and no list of them is
/// long.
inline constexpr std::int64_t most_ranks_or_experts = 1'048'576;

}  // namespace llep::tool
