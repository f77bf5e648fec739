// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_document.hpp"

namespace llep::tool {

/// A value in a document, read strictly: whatever isn't as asked for is an input_error that names
/// file, line and field. Borrows the document.
class json_field {
 public:
  explicit json_field(json_document const& in) : document_(&in), value_(&in.root()) {}

  [[nodiscard]] bool has(std::string const& name) const {
    return value_->is_object() && value_->contains(name);
  }
  [[nodiscard]] json_field at(std::string const& name) const {
    if (!value_->is_object()) fail("must be an object");
    auto const path = path_.empty() ? name : path_ + '.' + name;
    if (!value_->contains(name)) refuse(path, "missing");
    return {*document_, value_->at(name), path};
  }

  [[nodiscard]] std::size_t size() const {
    if (!value_->is_array()) fail("must be a list");
    return value_->size();
  }
  [[nodiscard]] json_field item(std::size_t i) const {
    return {*document_, value_->at(i), item_path(i)};
  }

  /// The names of an object's fields.
  [[nodiscard]] std::vector<std::string> names() const {
    if (!value_->is_object()) fail("must be an object");
    std::vector<std::string> all;
    for (auto const& [name, value] : value_->items()) all.push_back(name);
    return all;
  }

  [[nodiscard]] std::string const& text() const {
    if (!value_->is_string()) fail("must be a text, not " + words(*value_));
    return value_->get_ref<std::string const&>();
  }
  [[nodiscard]] double number() const {
    if (!value_->is_number()) fail("must be a number, not " + words(*value_));
    return value_->get<double>();
  }
  [[nodiscard]] std::int64_t whole(std::int64_t least, std::int64_t most) const {
    std::int64_t number = 0;
    if (!is_whole(*value_, least, most, number)) fail(must_be_whole(*value_, least, most));
    return number;
  }
  /// A list of whole numbers. O(size), and nothing else, for lists of millions.
  [[nodiscard]] std::vector<std::int64_t> wholes(std::int64_t least, std::int64_t most) const {
    std::vector<std::int64_t> numbers(size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      json const& value = (*value_)[i];
      if (!is_whole(value, least, most, numbers[i]))
        refuse(item_path(i), must_be_whole(value, least, most));
    }
    return numbers;
  }

  [[noreturn]] void fail(std::string_view what) const { refuse(path_, what); }

 private:
  json_field(json_document const& in, json const& value, std::string path)
      : document_(&in), value_(&value), path_(std::move(path)) {}

  [[noreturn]] void refuse(std::string const& path, std::string_view what) const {
    throw input_error(document_->where(path) + (path.empty() ? "" : path + ": ") +
                      std::string(what));
  }

  [[nodiscard]] std::string item_path(std::size_t i) const {
    return path_ + '[' + std::to_string(i) + ']';
  }

  static bool is_whole(json const& value, std::int64_t least, std::int64_t most,
                       std::int64_t& number) {
    if (!value.is_number_integer()) return false;
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() >
            static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return false;
    number = value.get<std::int64_t>();
    return number >= least && number <= most;
  }

  static std::string must_be_whole(json const& value, std::int64_t least, std::int64_t most) {
    std::string const range = most == std::numeric_limits<std::int64_t>::max()
                                  ? "of at least " + std::to_string(least) + " and below 2^63"
                                  : "from " + std::to_string(least) + " to " + std::to_string(most);
    return "must be a whole number " + range + ", not " + words(value);
  }

  // The value itself where it is short, or what it is.
  static std::string words(json const& value) {
    if (value.is_object()) return "an object";
    if (value.is_array()) return "a list";
    return shown(value.dump());
  }

  json_document const* document_;
  json const* value_;
  std::string path_;
};

}  // namespace llep::tool
