// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::testing {

/// A model doesn't keep its concept's contract. `what()` is one line: concept, promise, seed, rank
/// where there are several, and for lists the first position that differs.
class broken_promise : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// The largest finite magnitude of a list, and at least 1: what random cases are made of.
template <class T>
[[nodiscard]] double scale_of(std::vector<T> const& list) {
  double largest = 1;
  for (T const value : list)
    if (double const size = std::fabs(static_cast<double>(value)); std::isfinite(size))
      largest = (std::max)(largest, size);
  return largest;
}

/// By how much two ways to sum some hundred terms may differ in float or double, as a part of
/// their scale.
template <class T>
inline constexpr double default_tolerance = std::is_same_v<accumulator_t<T>, double> ? 1e-12 : 5e-6;

/// Holds a model against promises of one concept, in the random case of one seed.
class witness {
 public:
  witness(std::string_view concept_name, std::uint64_t seed, rank_id rank = no_rank)
      : concept_(concept_name), seed_(seed), rank_(rank) {}

  /// Throws broken_promise unless `kept`.
  void holds(bool kept, std::string_view promise) const {
    if (!kept) fail(promise, "");
  }

  template <class T>
  void equals(T const& got, T const& expected, std::string_view promise) const {
    if (!(got == expected)) fail(promise, text(": expected ", expected, ", got ", got));
  }

  /// The same bits: a NaN equals itself.
  template <class T>
  void same(std::vector<T> const& got, std::vector<T> const& expected,
            std::string_view promise) const {
    equals(got.size(), expected.size(), promise);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (std::memcmp(&got[i], &expected[i], sizeof(T)) != 0)
        fail_at(i, got[i], expected[i], promise);
  }

  /// No further apart than `tolerance` x `scale`, by default that of what is expected; NaNs and
  /// infinities where they are expected and nowhere else.
  template <class T>
  void close(std::vector<T> const& got, std::vector<T> const& expected, double tolerance,
             std::string_view promise, double scale = 0) const {
    equals(got.size(), expected.size(), promise);
    double const accepted = tolerance * (scale > 0 ? scale : scale_of(expected));
    for (std::size_t i = 0; i < got.size(); ++i) {
      auto const g = static_cast<double>(got[i]);
      auto const e = static_cast<double>(expected[i]);
      bool const is_close =
          g == e || std::fabs(g - e) <= accepted || (std::isnan(g) && std::isnan(e));
      if (!is_close) fail_at(i, got[i], expected[i], promise);
    }
  }

 private:
  template <class T>
  static auto const& printable(T const& value) {
    return value;
  }
  static int printable(std::byte value) { return static_cast<int>(value); }

  template <class... Parts>
  static std::string text(Parts const&... parts) {
    std::ostringstream out;
    out.precision(17);
    (out << ... << printable(parts));
    return out.str();
  }

  template <class T>
  [[noreturn]] void fail_at(std::size_t i, T const& got, T const& expected,
                            std::string_view promise) const {
    fail(promise, text(": position ", i, ": expected ", expected, ", got ", got));
  }
  [[noreturn]] void fail(std::string_view promise, std::string_view seen) const {
    std::string const rank = rank_ == no_rank ? "" : text(", rank ", rank_);
    throw broken_promise(text(concept_, ": ", promise, " (seed ", seed_, rank, ")", seen));
  }

  std::string_view concept_;
  std::uint64_t seed_;
  rank_id rank_;
};

}  // namespace llep::testing
