// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "input_error.hpp"

namespace llep::tool {

/// Fails early where a file can't be written at all: what it is to hold may take long. Makes it.
inline void check_writable(std::string const& path) {
  std::FILE* const file = std::fopen(path.c_str(), "ab");
  if (file == nullptr)
    throw input_error(shown(path, 200) + ": can't be written: " + std::strerror(errno));
  std::fclose(file);
}

/// Makes the file at `path` hold these bytes and no others.
/// @throws input_error if it can't be written in full; a part of it may be there then
inline void write_file(std::string const& path, std::string const& bytes) {
  auto const fail = [&](int status) {
    throw input_error(shown(path, 200) + ": can't be written: " + std::strerror(status));
  };
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) fail(errno);
  bool const written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  int const status = errno;
  // what the library still holds is written here, so a full disk may show only now
  bool const closed = std::fclose(file) == 0;
  if (!written) fail(status);
  if (!closed) fail(errno);
}

}  // namespace llep::tool
