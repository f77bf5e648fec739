// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

namespace llep::train {

/// Every Debian machine has these: the licences that its packages refer to (package base-files).
inline constexpr char const* debian_licences = "/usr/share/common-licenses";

inline constexpr std::size_t most_bytes = std::size_t{1} << 28;

namespace detail {

[[noreturn]] inline void refuse(std::filesystem::path const& path, std::string const& why) {
  throw std::runtime_error(path.string() + ": " + why);
}

// The regular files of a folder, by name. Links are left out: they would repeat other files.
[[nodiscard]] inline std::vector<std::filesystem::path> files_of(
    std::filesystem::path const& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code status;
  std::filesystem::directory_iterator entry(folder, status);
  for (; !status && entry != std::filesystem::directory_iterator(); entry.increment(status)) {
    std::error_code gone;  // since the folder was read, or its kind can't be told: not ours
    if (std::filesystem::is_regular_file(entry->symlink_status(gone)))
      files.push_back(entry->path());
  }
  if (status) refuse(folder, "can't be read: " + status.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace detail

/// The bytes of a file, or of all regular files of a folder, one after the other by name;
/// subfolders and symbolic links in it are left out.
/// @throws std::runtime_error if it can't be read, or has no bytes or more than `most_bytes`
[[nodiscard]] inline std::vector<std::uint8_t> read_text(std::filesystem::path const& path) {
  std::error_code status;
  auto const kind = std::filesystem::status(path, status).type();
  if (kind == std::filesystem::file_type::none || kind == std::filesystem::file_type::not_found)
    detail::refuse(path, "can't be opened: " + status.message());
  std::vector<std::filesystem::path> files{path};
  if (kind == std::filesystem::file_type::directory)
    files = detail::files_of(path);
  else if (kind != std::filesystem::file_type::regular)
    detail::refuse(path, "is neither a file nor a folder");  // a pipe or a device may never end
  std::vector<std::uint8_t> text;
  for (auto const& file : files) {
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    if (!in) detail::refuse(file, "can't be opened: " + std::generic_category().message(errno));
    auto const bytes = std::filesystem::file_size(file, status);
    if (status) detail::refuse(file, "can't be read: " + status.message());
    if (bytes > most_bytes - text.size()) detail::refuse(file, "the text has more than 2^28 bytes");
    text.insert(text.end(), std::istreambuf_iterator<char>(in), {});
  }
  if (text.empty()) detail::refuse(path, "has no text to learn from");
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
