// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "json_field.hpp"
#include "layer_case_data.hpp"
#include "limits.hpp"
#include "read_file.hpp"

namespace llep::tool {

static_assert(std::endian::native == std::endian::little, "data files are little-endian");

namespace detail {

/// Reads one case: its header, and the data file that the header names.
class layer_case_reader {
 public:
  explicit layer_case_reader(std::string const& path)
      : path_(path), document_(read_file(path), shown(path, 200)), header_(document_) {}

  layer_case read() {
    read_sizes();
    read_splits();
    read_data_file();
    read_arrays();
    check_indices();
    return std::move(case_);
  }

 private:
  static constexpr std::int64_t most_rows = std::numeric_limits<std::int32_t>::max();

  void read_sizes() {
    case_.id = header_.at("id").text();
    auto const& activation = header_.at("activation").text();
    if (activation == "gptoss_swiglu")
      case_.activation = layer_case::family::gptoss;
    else if (activation != "swiglu")
      header_.at("activation").fail("must be gptoss_swiglu or swiglu, not " + shown(activation));
    case_.tokens = header_.at("num_tokens").whole(0, most_rows);
    case_.experts =
        static_cast<std::int32_t>(header_.at("num_experts").whole(1, most_ranks_or_experts));
    case_.choices = header_.at("top_k").whole(1, most_rows);
    case_.hidden = header_.at("hidden_size").whole(1, most_rows);
    case_.inner = header_.at("intermediate_size").whole(1, most_rows);
    if (case_.tokens > most_rows / case_.choices)
      header_.at("top_k").fail("num_tokens x top_k must be below 2^31");
    if (case_.activation != layer_case::family::gptoss) return;
    case_.alpha = header_.at("swiglu_alpha").number();
    case_.limit = header_.at("swiglu_limit").number();
    if (!(case_.limit > 0)) header_.at("swiglu_limit").fail("must be greater than 0");
  }

  void read_splits() {
    if (!header_.has("tokens_per_rank")) return;
    auto const splits = header_.at("tokens_per_rank");
    for (auto const& name : splits.names()) {
      auto const field = splits.at(name);
      auto split = field.wholes(0, case_.tokens);
      if (split.empty() || std::to_string(split.size()) != name)
        field.fail("must be named after the number of ranks that it lists");
      std::int64_t left = case_.tokens;
      for (std::int64_t const held : split) left -= held;
      if (left != 0) field.fail("must add up to num_tokens");
      case_.splits.emplace(static_cast<std::int32_t>(split.size()), std::move(split));
    }
  }

  void read_data_file() {
    auto const name = header_.at("data_file");
    auto const stated = header_.at("data_bytes").whole(0, std::numeric_limits<std::int64_t>::max());
    if (name.text().empty()) name.fail("must not be empty");
    data_path_ = (std::filesystem::path(path_).parent_path() / name.text()).string();
    data_ = read_file(data_path_, static_cast<std::size_t>(stated));
    if (std::ssize(data_) != stated)
      throw input_error(shown(data_path_, 200) + ": holds " + std::to_string(data_.size()) +
                        " bytes, data_bytes of " + shown(path_, 200) + " says " +
                        std::to_string(stated));
  }

  // ---- arrays ---------------------------------------------------------------------------------

  struct extent {
    std::int64_t begin;
    std::int64_t end;
    std::string name;
  };

  void read_arrays() {
    auto const wanted = wanted_shapes();
    auto const list = header_.at("arrays");
    std::vector<extent> extents;
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto const field = list.item(i);
      auto const& name = field.at("name").text();
      auto const found = wanted.find(name);
      if (found == wanted.end()) field.at("name").fail("no array of this layer: " + shown(name));
      if (case_.arrays.contains(name)) field.at("name").fail("listed twice: " + name);
      extents.push_back(read_array(field, name, found->second));
    }
    for (auto const& [name, shape] : wanted)
      if (!case_.arrays.contains(name)) list.fail("missing: " + name);
    check_overlaps(list, extents);
  }

  [[nodiscard]] std::map<std::string, std::vector<std::int64_t>> wanted_shapes() const {
    std::int64_t const t = case_.tokens, e = case_.experts, k = case_.choices, h = case_.hidden,
                       f = case_.inner;
    std::map<std::string, std::vector<std::int64_t>> shapes{
        {"hidden", {t, h}}, {"indices", {t, k}},     {"weights", {t, k}},     {"grad_out", {t, h}},
        {"out", {t, h}},    {"grad_hidden", {t, h}}, {"grad_weights", {t, k}}};
    std::map<std::string, std::vector<std::int64_t>> const weights{
        {"gate_up", {e, h, 2 * f}}, {"gate_up_bias", {e, 2 * f}}, {"down", {e, f, h}},
        {"down_bias", {e, h}},      {"gate", {e, h, f}},          {"up", {e, h, f}}};
    for (auto const& name : case_.weight_names()) {
      shapes[name] = weights.at(name);
      shapes["grad_" + name] = weights.at(name);
    }
    return shapes;
  }

  extent read_array(json_field const& field, std::string const& name,
                    std::vector<std::int64_t> const& shape) {
    case_array array;
    array.type = read_type(field.at("dtype"), name);
    array.shape = field.at("shape").wholes(0, std::numeric_limits<std::int64_t>::max());
    if (array.shape != shape) field.at("shape").fail(name + " must be " + product(shape));
    auto const offset = field.at("offset").whole(0, std::numeric_limits<std::int64_t>::max());
    if (offset % 8 != 0) field.at("offset").fail("must be a multiple of 8");
    std::int64_t const size = array.type == element::f64 ? 8 : 4;
    std::int64_t const most =
        std::ssize(data_) / size;  // more can't be there, and products overflow
    bool const empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    std::int64_t count = empty ? 0 : 1;
    for (std::int64_t const n : shape) {
      if (!empty && count > most / n)
        field.at("shape").fail(name + " is larger than the data file");
      count *= n;
    }
    if (offset > std::ssize(data_) - count * size)
      field.at("offset").fail(name + " reaches beyond the end of the data file");
    array.values = values_at(offset, count, array.type);
    case_.arrays.emplace(name, std::move(array));
    return {offset, offset + count * size, name};
  }

  [[nodiscard]] static element read_type(json_field const& field, std::string const& name) {
    auto const& type = field.text();
    if (name == "indices") {
      if (type != "i32") field.fail("indices must be i32");
      return element::i32;
    }
    bool const expected = name == "out" || (name.starts_with("grad_") && name != "grad_out");
    if (type == "f32") return element::f32;
    if (!expected) field.fail(name + " must be f32");
    if (type != "f64") field.fail(name + " must be f32 or f64");
    return element::f64;
  }

  [[nodiscard]] static std::string product(std::vector<std::int64_t> const& shape) {
    std::string text;
    for (std::int64_t const n : shape) text += (text.empty() ? "" : " x ") + std::to_string(n);
    return text;
  }

  [[nodiscard]] std::vector<double> values_at(std::int64_t offset, std::int64_t count,
                                              element type) const {
    switch (type) {
      case element::f32:
        return values_of<float>(offset, count);
      case element::i32:
        return values_of<std::int32_t>(offset, count);
      case element::f64:
        break;
    }
    return values_of<double>(offset, count);
  }

  template <class T>
  [[nodiscard]] std::vector<double> values_of(std::int64_t offset, std::int64_t count) const {
    std::vector<double> values(static_cast<std::size_t>(count));
    char const* from = data_.data() + offset;
    for (double& value : values) {
      T stored;
      std::memcpy(&stored, from, sizeof stored);
      value = static_cast<double>(stored);
      from += sizeof stored;
    }
    return values;
  }

  static void check_overlaps(json_field const& list, std::vector<extent> extents) {
    std::sort(extents.begin(), extents.end(),
              [](extent const& a, extent const& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < extents.size(); ++i)
      if (extents[i].begin < extents[i - 1].end)
        list.fail(extents[i - 1].name + " and " + extents[i].name + " overlap in the data file");
  }

  // ---- choices --------------------------------------------------------------------------------

  void check_indices() const {
    std::vector<std::int64_t> loads(static_cast<std::size_t>(case_.experts), 0);
    auto const& indices = case_.array("indices").values;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      auto const e = static_cast<std::int64_t>(indices[i]);
      if (e < 0 || e >= case_.experts)
        throw input_error(shown(data_path_, 200) + ": indices[" +
                          std::to_string(static_cast<std::int64_t>(i) / case_.choices) + "][" +
                          std::to_string(static_cast<std::int64_t>(i) % case_.choices) +
                          "]: " + std::to_string(e) + " is not an expert from 0 to " +
                          std::to_string(case_.experts - 1));
      ++loads[static_cast<std::size_t>(e)];
    }
    if (!header_.has("expert_loads")) return;
    auto const field = header_.at("expert_loads");
    if (field.wholes(0, most_rows) != loads) field.fail("doesn't count what indices hold");
  }

  std::string path_;
  json_document document_;
  json_field header_;
  std::string data_path_;
  std::string data_;
  layer_case case_;
};

}  // namespace detail

/// Reads the case with header `path` and the data file beside it, and checks both.
/// @throws input_error naming the file, and the line and field where there is one.
[[nodiscard]] inline layer_case read_layer_case(std::string const& path) {
  return detail::layer_case_reader(path).read();
}

}  // namespace llep::tool
