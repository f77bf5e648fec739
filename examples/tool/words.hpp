// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

#include <llep/shape.hpp>

namespace llep::tool {

// Numbers as words of a report.

/// 12.35 for (12.3456, 2).
[[nodiscard]] inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// 1.3e-15 for 1.33227e-15.
[[nodiscard]] inline std::string scientific(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1e", value);
  return text;
}

/// 1.2 kB, 3.4 MB or 5.6 GB; powers of ten.
[[nodiscard]] inline std::string bytes_text(byte_count bytes) {
  auto const n = static_cast<double>(bytes);
  if (n < 1e6) return fixed(n / 1e3, 1) + " kB";
  return n < 1e9 ? fixed(n / 1e6, 1) + " MB" : fixed(n / 1e9, 2) + " GB";
}

/// The text in a column of so many characters, at its left or right side.
[[nodiscard]] inline std::string at_left(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}
[[nodiscard]] inline std::string at_right(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

}  // namespace llep::tool
