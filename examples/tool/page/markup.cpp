// SPDX-License-Identifier: Apache-2.0
#include "markup.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <string>
#include <string_view>

namespace llep::tool {
namespace {

constexpr std::size_t most_characters = 300;
constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

struct character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// The character that a text starts with; one byte is taken of what isn't UTF-8.
character first_character(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1, true};
  auto const bytes = static_cast<std::size_t>(std::countl_one(byte(0)));
  if (bytes < 2 || bytes > 4 || bytes > text.size()) return {};
  char32_t code = byte(0) & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return {};
    code = code << 6U | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  bool const surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < least[bytes] || code > 0x10FFFF || surrogate) return {};
  return {code, bytes, true};
}

bool is_harmful(char32_t code) {
  bool const control = code < 0x20 || (code >= 0x7F && code < 0xA0);
  bool const turns = code == 0x061C || code == 0x200E || code == 0x200F ||
                     (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  bool const no_character = (code & 0xFFFEU) == 0xFFFE || (code >= 0xFDD0 && code <= 0xFDEF);
  return control || turns || no_character;
}

std::string_view entity(char32_t code) {
  switch (code) {
    case U'<':
      return "&lt;";
    case U'>':
      return "&gt;";
    case U'&':
      return "&amp;";
    case U'"':
      return "&quot;";
    case U'\'':
      return "&#39;";
    default:
      return {};
  }
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t n = 0; !text.empty(); ++n) {
    if (n == most_characters) return out + "\u2026";
    auto const [code, bytes, valid] = first_character(text);
    auto const name = entity(code);
    if (!valid || is_harmful(code))
      out += replacement;
    else
      out += name.empty() ? text.substr(0, bytes) : name;
    text.remove_prefix(bytes);
  }
  return out;
}

}  // namespace llep::tool
