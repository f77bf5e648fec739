// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/error.hpp>
#include <llep/shape.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::testing {

/// A matrix that owns its numbers, with `padding` columns behind each row that nobody may touch.
template <class T>
class padded {
 public:
  padded(std::int64_t rows, std::int64_t cols, std::int64_t padding = 0)
      : rows_(rows),
        cols_(cols),
        stride_(cols + padding),
        numbers_(static_cast<std::size_t>(rows * stride_), untouched) {}
  explicit padded(std::vector<T> row)
      : rows_(1), cols_(std::ssize(row)), stride_(cols_), numbers_(std::move(row)) {}

  T* operator[](std::int64_t row) { return numbers_.data() + row * stride_; }
  T const* operator[](std::int64_t row) const { return numbers_.data() + row * stride_; }
  matrix_ref<T> ref() { return {numbers_.data(), rows_, cols_, stride_}; }
  matrix_ref<T const> ref() const { return {numbers_.data(), rows_, cols_, stride_}; }
  [[nodiscard]] std::vector<T> row(std::int64_t i) const {
    return std::vector<T>((*this)[i], (*this)[i] + cols_);
  }
  [[nodiscard]] bool padding_is_untouched() const {
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t c = cols_; c < stride_; ++c)
        if ((*this)[r][c] != untouched) return false;
    return true;
  }
  [[nodiscard]] bool is_untouched() const {
    for (T const x : numbers_)
      if (x != untouched) return false;
    return true;
  }

 private:
  static constexpr T untouched = T{-77};
  std::int64_t rows_, cols_, stride_;
  std::vector<T> numbers_;
};

/// In [-spread, spread), no two of a row closer than 0.001, so that a small step swaps no two.
template <class T>
void fill_apart(seeded& random, padded<T>& m, double spread) {
  auto const ref = m.ref();
  for (std::int64_t t = 0; t < ref.rows; ++t)
    for (std::int64_t e = 0; e < ref.cols; ++e)
      for (bool apart = false; !apart;) {
        ref.row(t)[e] = static_cast<T>(spread * (2 * random.real() - 1));
        apart = true;
        for (std::int64_t other = 0; other < e; ++other)
          apart = apart && std::fabs(ref.row(t)[e] - ref.row(t)[other]) > T(0.001);
      }
}

template <class T>
bool is_close(double got, double expected) {
  return std::fabs(got - expected) <=
         (std::is_same_v<T, float> ? 3e-7 : 1e-13) * (1 + std::fabs(expected));
}

/// Checks that `call` is refused as an invalid argument with a message that has `words`.
template <class Call>
void check_refused(std::string_view words, Call call) {
  CAPTURE(words);
  try {
    call();
    FAIL_CHECK("nothing was thrown");
  } catch (error const& e) {
    CHECK(e.code() == errc::invalid_argument);
    CAPTURE(e.what());
    CHECK(std::string(e.what()).find(words) != std::string::npos);
  }
}

/// Checks that ids outside [0, E) are refused by `backward`, and that nothing was written then.
template <class Backward>
void check_ids_refused(Backward backward) {
  padded<float> logits(3, 4);
  padded<float> gates(3, 2);
  padded<float> grad_logits(3, 4);
  for (std::int32_t const bad : {-1, 4}) {
    padded<std::int32_t> chosen(3, 2);
    for (std::int64_t t = 0; t < 3; ++t) chosen[t][0] = chosen[t][1] = 0;
    chosen[2][1] = bad;
    check_refused("[0, E)",
                  [&] { backward(logits.ref(), chosen.ref(), gates.ref(), grad_logits.ref()); });
    CHECK(grad_logits.is_untouched());
  }
}

/// Checks that each breach of the shapes is refused, and that nothing was written then. `forward`
/// takes logits, ids, gates; `backward` logits, ids, grad_gates, grad_logits.
template <class Forward, class Backward>
void check_shapes_refused(Forward forward, Backward backward) {
  padded<float> logits(3, 4);
  padded<std::int32_t> ids(3, 2);
  padded<float> gates(3, 2);
  padded<float> grad_logits(3, 4);
  auto const call = [&](std::string_view words, auto change) {
    auto l = logits.ref();
    auto i = ids.ref();
    auto g = gates.ref();
    auto out = grad_logits.ref();
    change(l, i, g, out);
    check_refused(words, [&] { backward(l, i, g, out); });
    if (words.find("grad_logits") == std::string_view::npos)
      check_refused(words, [&] { forward(l, i, g); });
    CHECK((logits.is_untouched() && ids.is_untouched() && gates.is_untouched() &&
           grad_logits.is_untouched()));
  };
  call("logits must", [](auto& l, auto&, auto&, auto&) { l.rows = -1; });
  call("logits must", [](auto& l, auto&, auto&, auto&) { l.cols = l.stride = 0; });
  call("logits must",
       [](auto& l, auto&, auto&, auto&) { l.cols = l.stride = std::int64_t{1} << 31; });
  call("logits needs", [](auto& l, auto&, auto&, auto&) { l.stride = 3; });
  call("logits needs", [](auto& l, auto&, auto&, auto&) { l.data = nullptr; });
  call("routing: K", [](auto&, auto& i, auto&, auto&) { i.cols = i.stride = 0; });
  call("routing: K", [](auto&, auto& i, auto&, auto&) { i.cols = i.stride = 5; });
  call("ids must", [](auto&, auto& i, auto&, auto&) { i.rows = 2; });
  call("ids must", [](auto&, auto& i, auto&, auto&) { i.stride = 1; });
  call("ids must", [](auto&, auto& i, auto&, auto&) { i.data = nullptr; });
  call("gates and", [](auto&, auto&, auto& g, auto&) { g.rows = 4; });
  call("gates and", [](auto&, auto&, auto& g, auto&) { g.cols = 1; });
  call("gates and", [](auto&, auto&, auto& g, auto&) { g.stride = 1; });
  call("gates and", [](auto&, auto&, auto& g, auto&) { g.data = nullptr; });
  call("grad_logits must", [](auto&, auto&, auto&, auto& out) { out.rows = 2; });
  call("grad_logits must", [](auto&, auto&, auto&, auto& out) { out.cols = 3; });
  call("grad_logits must", [](auto&, auto&, auto&, auto& out) { out.stride = 3; });
  call("grad_logits must", [](auto&, auto&, auto&, auto& out) { out.data = nullptr; });
  check_ids_refused(backward);
}

}  // namespace llep::testing
