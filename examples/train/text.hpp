// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace llep::train {

/// Every Debian machine has these: the licences that its packages refer to (package base-files).
inline constexpr char const* debian_licences = "/usr/share/common-licenses";

inline constexpr std::size_t most_bytes = std::size_t{1} << 28;

/// The bytes of a file, or of all regular files of a directory, by name (links would repeat them).
/// @throws std::runtime_error if there is nothing to read, or more than `most_bytes`
[[nodiscard]] inline std::vector<std::uint8_t> read_text(std::filesystem::path const& path) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(path)) {
    for (auto const& entry : std::filesystem::directory_iterator(path))
      if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
  } else if (std::filesystem::is_regular_file(path)) {  // others may never end
    files.push_back(path);
  }
  std::vector<std::uint8_t> text;
  for (auto const& file : files) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error(file.string() + ": can't be opened");
    if (std::filesystem::file_size(file) > most_bytes - text.size())
      throw std::runtime_error(file.string() + ": the text has more than 2^28 bytes");
    text.insert(text.end(), std::istreambuf_iterator<char>(in), {});
  }
  if (text.empty()) throw std::runtime_error(path.string() + ": has no text to learn from");
  return text;
}

/// Places in a text: the byte to be told, and the bytes before it.
struct batch {
  std::int64_t window = 0;            ///< bytes before
  std::vector<std::uint8_t> context;  ///< [T][window], the nearest one first
  std::vector<std::uint8_t> next;     ///< [T]
};

/// T places of a text, as good as anywhere, the same for the same seed. The text is longer than
/// `window`.
[[nodiscard]] inline batch draw(std::vector<std::uint8_t> const& text, std::int64_t tokens,
                                std::int64_t window, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  batch out;
  out.window = window;
  auto const places = text.size() - static_cast<std::size_t>(window);
  for (std::int64_t t = 0; t < tokens; ++t) {
    auto const at = static_cast<std::size_t>(window) + random() % places;
    for (std::int64_t j = 1; j <= window; ++j)
      out.context.push_back(text[at - static_cast<std::size_t>(j)]);
    out.next.push_back(text[at]);
  }
  return out;
}

}  // namespace llep::train
