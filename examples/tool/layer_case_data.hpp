// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace llep::tool {

enum class element { f32, f64, i32 };

/// An array of a case. Values of f32 and i32 are held exactly.
struct case_array {
  element type = element::f32;
  std::vector<std::int64_t> shape;
  std::vector<double> values;  // row-major
};

/// Inputs, expected output and expected gradients of a whole MoE layer. Valid as `read_layer_case`
/// makes it: all arrays are there, with the shapes that the sizes ask for.
struct layer_case {
  enum class family { gptoss, swiglu };

  std::string id;
  family activation = family::swiglu;
  std::int64_t tokens = 0;   ///< T, over all ranks
  std::int32_t experts = 0;  ///< E
  std::int64_t choices = 0;  ///< K
  std::int64_t hidden = 0;   ///< H
  std::int64_t inner = 0;    ///< F
  double alpha = 1.702;      ///< gptoss: slope inside the sigmoid
  double limit = 7.0;        ///< gptoss: clamp
  std::map<std::string, case_array> arrays;
  std::map<std::int32_t, std::vector<std::int64_t>> splits;  ///< by rank count, where it isn't even

  /// The weight arrays of an expert, in the order of the kernel's blocks.
  [[nodiscard]] std::vector<std::string> weight_names() const {
    if (activation == family::gptoss) return {"gate_up", "gate_up_bias", "down", "down_bias"};
    return {"gate", "up", "down"};
  }
  /// The expected arrays: "out", then the gradients.
  [[nodiscard]] std::vector<std::string> expected_names() const {
    std::vector<std::string> names{"out", "grad_hidden", "grad_weights"};
    for (auto const& weight : weight_names()) names.push_back("grad_" + weight);
    return names;
  }

  [[nodiscard]] case_array const& array(std::string const& name) const { return arrays.at(name); }

  /// An array's values as T.
  template <class T>
  [[nodiscard]] std::vector<T> values(std::string const& name) const {
    std::vector<T> out;
    out.reserve(array(name).values.size());
    for (double const v : array(name).values) out.push_back(static_cast<T>(v));
    return out;
  }

  /// How many consecutive tokens each of `ranks` ranks holds: as the case says or, if it doesn't,
  /// as evenly as possible, the first ranks one more.
  [[nodiscard]] std::vector<std::int64_t> tokens_per_rank(std::int32_t ranks) const {
    if (auto const found = splits.find(ranks); found != splits.end()) return found->second;
    std::vector<std::int64_t> split;
    for (std::int32_t r = 0; r < ranks; ++r)
      split.push_back(tokens / ranks + (r < tokens % ranks ? 1 : 0));
    return split;
  }
};

}  // namespace llep::tool
