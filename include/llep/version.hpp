// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace llep {

// The only place where the version is written down; CMake and the tool read it here. Not `major`
// and `minor`, which <sys/sysmacros.h> has as macros.

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;
inline constexpr std::string_view version_string = "0.1.0";

/// True if this is version `major_part.minor_part.patch_part` or a later one. No macro: ask with
/// `static_assert(llep::version_at_least(0, 1))`, or `if constexpr` in a template. What hangs on
/// one feature asks for that instead: `requires { typename llep::...; }`.
[[nodiscard]] consteval bool version_at_least(int major_part, int minor_part, int patch_part = 0) {
  if (version_major != major_part) return version_major > major_part;
  if (version_minor != minor_part) return version_minor > minor_part;
  return version_patch >= patch_part;
}

}  // namespace llep
