// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace llep::detail {

// Products of a 63-bit row count and a scaled factor. g++, clang and nvcc have the type, ISO C++
// has no name for it.
__extension__ typedef unsigned __int128 u128;  // NOLINT(modernize-use-using): the keyword needs it

}  // namespace llep::detail
