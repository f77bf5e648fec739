// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../words.hpp"

namespace llep::tool {

// Numbers as words of a page.

/// 14 228 for 14228, with a narrow space that doesn't break.
[[nodiscard]] inline std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  std::size_t const first_digit = value < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first_digit + 3; at -= 3) text.insert(at - 3, "\u202F");
  return text;
}

/// 1.25, 2: no more digits than it needs, and at most so many.
[[nodiscard]] inline std::string decimal(double value, int digits) {
  auto text = fixed(value, digits);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// 14 228, but 142k and 1.42M: at most six characters.
[[nodiscard]] inline std::string short_count(double value) {
  if (value < 99'999.5) return grouped(std::llround(value));
  constexpr std::array units{'k', 'M', 'G', 'T', 'P', 'E', 'Z'};
  std::size_t unit = 0;
  value /= 1e3;
  for (; value >= 999.5 && unit + 1 < units.size(); ++unit) value /= 1e3;
  return fixed(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + units[unit];
}
[[nodiscard]] inline std::string short_count(std::int64_t value) {
  return short_count(static_cast<double>(value));
}

/// "1 expert" and "3 experts".
[[nodiscard]] inline std::string counted(std::int64_t n, std::string const& one) {
  return grouped(n) + ' ' + one + (n == 1 ? "" : "s");
}

/// A part of a whole; 0 % of nothing.
[[nodiscard]] inline std::string percent(double part, double whole) {
  double const share = whole > 0 ? 100 * part / whole : 0;
  bool const round = share == 0 || share >= 10;
  return fixed(share, round ? 0 : 1) + "\u202F%";
}

/// A line may break behind the arrow.
[[nodiscard]] inline std::string change(std::string const& before, std::string const& after) {
  return before + "\u202F\u2192 " + after;
}

/// 1.2 MB that stay on one line.
[[nodiscard]] inline std::string bytes_words(byte_count bytes) {
  auto text = bytes_text(bytes);
  return text.replace(text.find(' '), 1, "\u00A0");
}

}  // namespace llep::tool
