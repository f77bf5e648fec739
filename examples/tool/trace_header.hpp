// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "input_error.hpp"

namespace llep::tool {

/// The header of a recorded trace: the lines "# key: value" that a .csv file begins with.
class trace_header {
 public:
  /// @param text    the whole file
  /// @param source  what messages call the file
  /// @throws input_error naming a key that stands there twice
  trace_header(std::string_view text, std::string source) : source_(std::move(source)) {
    for (; text.starts_with('#'); ++lines_) {
      auto const line = text.substr(0, text.find('\n'));
      auto const taken = std::min(text.size(), line.size() + 1);
      text.remove_prefix(taken);
      bytes_ += taken;
      read_line(line, lines_ + 1);
    }
  }

  /// How much of the file it takes.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::int64_t lines() const { return lines_; }

  [[nodiscard]] bool has(std::string const& key) const { return entries_.contains(key); }

  [[nodiscard]] std::string const& text(std::string const& key) const {
    auto const found = entries_.find(key);
    if (found == entries_.end()) throw input_error(source_ + ":1: " + key + ": missing");
    return found->second.value;
  }
  [[nodiscard]] std::string text_or(std::string const& key, std::string other) const {
    return has(key) ? text(key) : std::move(other);
  }

  /// The whole numbers that the value starts with, perhaps none; more text may follow them.
  [[nodiscard]] std::vector<std::int64_t> any_numbers(std::string const& key) const {
    std::string const& value = text(key);
    char const* at = value.data();
    char const* const end = at + value.size();
    std::vector<std::int64_t> found;
    for (;;) {
      while (at != end && *at == ' ') ++at;
      std::int64_t number = 0;
      auto const [next, status] = std::from_chars(at, end, number);
      if (status != std::errc{} || (next != end && *next != ' ')) return found;
      found.push_back(number);
      at = next;
    }
  }
  /// The same, at least one.
  [[nodiscard]] std::vector<std::int64_t> numbers(std::string const& key) const {
    auto found = any_numbers(key);
    if (found.empty()) fail(key, "must be a whole number");
    return found;
  }
  [[nodiscard]] std::int64_t number(std::string const& key, std::int64_t least,
                                    std::int64_t most) const {
    std::int64_t const found = numbers(key).front();
    if (found < least || found > most)
      fail(key, "must be from " + std::to_string(least) + " to " + std::to_string(most));
    return found;
  }

  /// Refuses what a key says; the key is there.
  [[noreturn]] void fail(std::string const& key, std::string const& what) const {
    throw input_error(source_ + ':' + std::to_string(entries_.at(key).line) + ": " + key + ": " +
                      what);
  }

 private:
  struct entry {
    std::string value;
    std::int64_t line = 0;
  };

  // "# key: value"; a line without a key is a remark.
  void read_line(std::string_view line, std::int64_t number) {
    auto const colon = line.find(": ");
    if (!line.starts_with("# ") || colon == std::string_view::npos) return;
    std::string const key(line.substr(2, colon - 2));
    auto value = line.substr(colon + 2);
    if (value.ends_with('\r')) value.remove_suffix(1);
    if (!entries_.emplace(key, entry{std::string(value), number}).second)
      throw input_error(source_ + ':' + std::to_string(number) + ": " + shown(key) +
                        ": named twice");
  }

  std::string source_;
  std::map<std::string, entry> entries_;
  std::size_t bytes_ = 0;
  std::int64_t lines_ = 0;
};

}  // namespace llep::tool
