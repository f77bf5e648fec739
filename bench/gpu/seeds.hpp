// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "arguments.hpp"
#include "report.hpp"

namespace llep::bench {

/// Seeds of one run: another's are different ones, and the report says which they were.
class seed_range {
 public:
  explicit seed_range(std::uint64_t count)
      : first_(static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch() /
                                          std::chrono::seconds(1)) *
               1000 % 1'000'000'000),
        count_(count) {}

  [[nodiscard]] std::string name() const {
    return std::to_string(count_) + " seeds from " + std::to_string(first_);
  }
  template <class F>
  void each(F f) const {
    for (std::uint64_t i = 0; i < count_; ++i) f(first_ + i);
  }

 private:
  std::uint64_t first_;
  std::uint64_t count_;
};

/// Checks whether f(seed) throws for any of so many seeds; with --tiny, two.
template <class F>
void check_seeds(arguments const& given, report& to, std::string const& name, std::uint64_t count,
                 F f) {
  seed_range const seeds(given.sized(count, std::uint64_t{2}));
  to.check(name + ", " + seeds.name(), [&] { seeds.each(f); });
}

}  // namespace llep::bench
