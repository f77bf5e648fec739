// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace llep::train {

/// Numbers that are learnt by Adam (Kingma and Ba, arXiv 1412.6980), with their gradients.
template <class T>
class parameters {
 public:
  /// Adds `count` numbers: `mean`, or around it with that deviation. Returns where they begin.
  std::size_t add(std::int64_t count, T mean, T deviation, std::mt19937_64& random) {
    std::size_t const first = value_.size();
    std::normal_distribution<double> normal;
    for (std::int64_t i = 0; i < count; ++i)
      value_.push_back(mean + deviation * static_cast<T>(normal(random)));
    gradient_.resize(value_.size(), T{0});
    first_.resize(value_.size(), T{0});
    second_.resize(value_.size(), T{0});
    return first;
  }

  [[nodiscard]] T* value(std::size_t at) { return value_.data() + at; }
  [[nodiscard]] T* gradient(std::size_t at) { return gradient_.data() + at; }
  [[nodiscard]] std::size_t size() const { return value_.size(); }

  /// The step-th step, from 1 on; gradients are 0 afterwards.
  void update(std::int64_t step, double rate) {
    constexpr double beta_1 = 0.9;
    constexpr double beta_2 = 0.99;
    double const unbiased = std::sqrt(1 - std::pow(beta_2, step)) / (1 - std::pow(beta_1, step));
    for (std::size_t i = 0; i < value_.size(); ++i) {
      T const g = gradient_[i];
      first_[i] += static_cast<T>(1 - beta_1) * (g - first_[i]);
      second_[i] += static_cast<T>(1 - beta_2) * (g * g - second_[i]);
      value_[i] -= static_cast<T>(rate * unbiased) * first_[i] /
                   (std::sqrt(second_[i]) + static_cast<T>(1e-8));
      gradient_[i] = T{0};
    }
  }

 private:
  std::vector<T> value_, gradient_, first_, second_;
};

}  // namespace llep::train
