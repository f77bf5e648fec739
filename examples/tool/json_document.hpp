// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "input_error.hpp"

namespace llep::tool {

using json = nlohmann::json;

namespace detail {

// A position in a text that counts the lines it passes, so that a parser's callbacks know theirs.
struct line_counter {
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = char const*;
  using reference = char const&;

  char const* at = nullptr;
  std::int64_t* line = nullptr;

  reference operator*() const { return *at; }
  line_counter& operator++() {
    if (*at++ == '\n') ++*line;
    return *this;
  }
  line_counter operator++(int) {
    auto const before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(line_counter const& a, line_counter const& b) { return a.at == b.at; }
  friend bool operator!=(line_counter const& a, line_counter const& b) { return a.at != b.at; }
};

}  // namespace detail

/// A JSON text with what messages about it need: its file, and the line of every field.
///
/// A field that is named twice is an error: readers would disagree about which one counts.
class json_document {
 public:
  /// @throws input_error naming source, line and, where it is known, the field.
  json_document(std::string_view text, std::string source, std::int64_t first_line = 1)
      : source_(std::move(source)), first_line_(first_line), line_(first_line) {
    detail::line_counter const begin{text.data(), &line_};
    detail::line_counter const end{text.data() + text.size(), &line_};
    try {
      root_ = json::parse(begin, end, [this](int, json::parse_event_t event, json& value) {
        follow(event, value);
        return true;
      });
    } catch (json::parse_error const& e) {
      throw input_error(source_ + ':' + std::to_string(line_of(text, e.byte)) + ": " + inside() +
                        "not valid JSON: " + reason(e.what()));
    } catch (json::exception const& e) {
      throw input_error(place() + inside() + reason(e.what()));
    }
  }

  [[nodiscard]] json const& root() const { return root_; }

  /// "file:line: " of a field, or of what it should have been in.
  [[nodiscard]] std::string where(std::string path) const {
    for (;;) {
      if (auto const found = lines_.find(path); found != lines_.end())
        return source_ + ':' + std::to_string(found->second) + ": ";
      auto const cut = path.find_last_of(".[");
      if (cut == std::string::npos) break;
      path.resize(cut);
    }
    return source_ + ':' + std::to_string(first_line_) + ": ";
  }

 private:
  static constexpr std::size_t deepest_text = 64;
  static constexpr std::size_t deepest_read = 3;  // no reader looks further down

  struct level {  // an object or a list that the parser is in
    bool list = false;
    std::size_t items = 0;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  void follow(json::parse_event_t event, json const& value) {
    switch (event) {
      case json::parse_event_t::key:
        enter_field(value.get_ref<std::string const&>());
        break;
      case json::parse_event_t::value:
        count_item();
        break;
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        count_item();
        if (levels_.size() == deepest_text)
          throw input_error(place() + inside() + "nested too deep");
        levels_.push_back({event == json::parse_event_t::array_start, 0, {}, {}});
        break;
      case json::parse_event_t::object_end:
      case json::parse_event_t::array_end:
        levels_.pop_back();
        break;
    }
  }

  void enter_field(std::string const& key) {
    level& in = levels_.back();
    in.key = key;
    if (!in.keys.insert(key).second) throw input_error(place() + path() + ": named twice");
    if (line_ != first_line_ && levels_.size() <= deepest_read) lines_.emplace(path(), line_);
  }

  void count_item() {
    if (!levels_.empty() && levels_.back().list) ++levels_.back().items;
  }

  // The field that the parser is at, "arrays[2].offset".
  [[nodiscard]] std::string path() const {
    std::string at;
    for (level const& in : levels_) {
      if (in.list)
        at += '[' + std::to_string(std::max<std::size_t>(in.items, 1) - 1) + ']';
      else if (!in.key.empty())
        at += (at.empty() ? "" : ".") + shown(in.key);
      if (at.size() > 100) break;  // a text that does nothing but nest
    }
    return at;
  }

  [[nodiscard]] std::string place() const { return source_ + ':' + std::to_string(line_) + ": "; }
  [[nodiscard]] std::string inside() const {
    auto const at = path();
    return at.empty() ? at : at + ": ";
  }

  [[nodiscard]] std::int64_t line_of(std::string_view text, std::size_t byte) const {
    auto const before = text.substr(0, byte > 0 ? byte - 1 : 0);
    return first_line_ + std::count(before.begin(), before.end(), '\n');
  }

  // The parser's own words without its error number and its line, which counts from elsewhere.
  [[nodiscard]] static std::string reason(std::string_view what) {
    if (auto const number = what.find("] "); number != std::string_view::npos)
      what.remove_prefix(number + 2);
    auto const column = what.find(": ");
    if (what.starts_with("parse error") && column != std::string_view::npos)
      what.remove_prefix(column + 2);
    std::string out(what);
    if (auto const from = out.find("; last read: "); from != std::string::npos)
      out.erase(from, out.find("; expected", from) - from);  // it may be long, and not UTF-8
    return shown(out, 160);
  }

  json root_;
  std::string source_;
  std::int64_t first_line_;
  std::int64_t line_;
  std::vector<level> levels_;
  std::map<std::string, std::int64_t> lines_;  // by path, where it isn't the first line
};

}  // namespace llep::tool
