// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace llep::tool {

/// Bad input or bad usage. The text is one line and names file, line and field, or the option.
class input_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Text from outside, fit for a message of one line: no control characters, cut to `most` bytes.
[[nodiscard]] inline std::string shown(std::string_view text, std::size_t most = 60) {
  bool const cut = text.size() > most;
  std::string out(text.substr(0, most));
  if (cut)  // not in the middle of a UTF-8 character
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80U) != 0) out.pop_back();
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return cut ? out + "..." : out;
}

}  // namespace llep::tool
