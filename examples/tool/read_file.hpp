// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "input_error.hpp"

namespace llep::tool {

/// What a header or a list of problems may hold: a file that never ends must not take all memory.
inline constexpr std::size_t most_text_bytes = std::size_t{1} << 28;

/// Everything that is left in an open file. `name` is for the message.
/// @throws input_error if it can't be read (a directory, say), or has more than `most` bytes.
[[nodiscard]] inline std::string read_all(std::FILE* file, std::string const& name,
                                          std::size_t most = most_text_bytes) {
  std::string text;
  std::size_t used = 0;
  for (;;) {
    text.resize(used + std::max<std::size_t>(used, 65536));
    std::size_t const got = std::fread(text.data() + used, 1, text.size() - used, file);
    used += got;
    if (used > most) throw input_error(name + ": has more than " + std::to_string(most) + " bytes");
    if (got == 0) break;
  }
  if (std::ferror(file) != 0) throw input_error(name + ": can't be read: " + std::strerror(errno));
  text.resize(used);
  return text;
}

/// The bytes of the file at `path`.
/// @throws input_error if it can't be opened or read, or has more than `most` bytes.
[[nodiscard]] inline std::string read_file(std::string const& path,
                                           std::size_t most = most_text_bytes) {
  struct closer {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, closer> const file(std::fopen(path.c_str(), "rb"));
  if (!file) throw input_error(shown(path, 200) + ": can't be opened: " + std::strerror(errno));
  return read_all(file.get(), shown(path, 200), most);
}

}  // namespace llep::tool
