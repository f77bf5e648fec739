// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace llep::testing {

// Under a sanitizer everything is about ten times as slow, so tests try fewer cases there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

/// How many of `n` random cases to try.
constexpr std::uint64_t cases(std::uint64_t n) {
  return sanitized ? (std::max)(n / 10, std::uint64_t{2}) : n;
}

}  // namespace llep::testing
