// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/kokkos/row_types.hpp>  // first: proves it needs no help

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include <llep/testing/seeded.hpp>

namespace {

using llep::kokkos::bfloat16;
using llep::kokkos::half;

template <class T>
struct format;
template <>
struct format<bfloat16> {
  static constexpr int fraction = 7, bias = 127, exponents = 255;
};
template <>
struct format<half> {
  static constexpr int fraction = 10, bias = 15, exponents = 31;
};

template <class T>
T pattern(std::uint32_t bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

/// What a pattern stands for, from the definition of the format. A double holds any of them, and
/// all that lies in the middle of two.
template <class T>
double meaning(std::uint32_t bits) {
  using f = format<T>;
  int const exponent = static_cast<int>(bits >> f::fraction) & f::exponents;
  auto const fraction = static_cast<int>(bits) & ((1 << f::fraction) - 1);
  double magnitude = 0;
  if (exponent == f::exponents)
    magnitude = fraction == 0 ? HUGE_VAL : std::nan("");
  else if (exponent == 0)
    magnitude = std::ldexp(fraction, 1 - f::bias - f::fraction);
  else
    magnitude = std::ldexp((1 << f::fraction) + fraction, exponent - f::bias - f::fraction);
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

constexpr std::uint32_t patterns = 65536;

template <class T>
constexpr std::uint32_t infinity =
    static_cast<std::uint32_t>(format<T>::exponents) << format<T>::fraction;

TEMPLATE_TEST_CASE("row types: each of the 65536 patterns means what its format says", "[kokkos]",
                   bfloat16, half) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    CAPTURE(bits);
    auto const got = static_cast<float>(pattern<TestType>(bits));
    double const expected = meaning<TestType>(bits);
    REQUIRE(std::isnan(got) == std::isnan(expected));
    if (std::isnan(expected)) continue;
    REQUIRE(double{got} == expected);
    REQUIRE(std::signbit(got) == std::signbit(expected));
  }
}

TEMPLATE_TEST_CASE("row types: what a pattern means is stored as that pattern", "[kokkos]",
                   bfloat16, half) {
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    CAPTURE(bits);
    TestType const again(static_cast<float>(pattern<TestType>(bits)));
    if (std::isnan(meaning<TestType>(bits)))
      REQUIRE(std::isnan(static_cast<float>(again)));
    else
      REQUIRE(again.bits == bits);
  }
}

// Neighbouring patterns of one sign, infinity standing for the next number beyond the largest.
template <class T>
double position(std::uint32_t bits) {
  if ((bits & 0x7FFFU) != infinity<T>) return meaning<T>(bits);
  double const next = std::ldexp(1.0, format<T>::exponents - format<T>::bias);
  return (bits & 0x8000U) != 0 ? -next : next;
}

TEMPLATE_TEST_CASE(
    "row types: the middle of two numbers goes to the even one, all else to the "
    "nearer",
    "[kokkos]", bfloat16, half) {
  for (std::uint32_t sign : {0U, 0x8000U})
    for (std::uint32_t low = sign; low < sign + infinity<TestType>; ++low) {
      CAPTURE(low);
      double const middle = (position<TestType>(low) + position<TestType>(low + 1)) / 2;
      auto const tie = static_cast<float>(middle);
      if (std::isinf(tie)) continue;
      REQUIRE(double{tie} == middle);
      float const away = sign == 0 ? HUGE_VALF : -HUGE_VALF;
      REQUIRE(TestType(tie).bits == low + low % 2);
      REQUIRE(TestType(std::nextafter(tie, 0.0F)).bits == low);
      REQUIRE(TestType(std::nextafter(tie, away)).bits == low + 1);
    }
}

TEMPLATE_TEST_CASE("row types: what is too large becomes infinite, NaN stays one", "[kokkos]",
                   bfloat16, half) {
  using limits = std::numeric_limits<float>;
  CHECK(TestType((limits::max)()).bits == infinity<TestType>);
  CHECK(TestType(-limits::infinity()).bits == (0x8000U | infinity<TestType>));
  for (std::uint32_t const bits : {0x7F800001U, 0x7FC00000U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU})
    CHECK(std::isnan(static_cast<float>(TestType(Kokkos::bit_cast<float>(bits)))));
  CHECK(TestType(limits::denorm_min()).bits == 0);
  CHECK(TestType(-0.0F).bits == 0x8000U);
}

TEMPLATE_TEST_CASE("row types: any float goes to a neighbour that isn't further than the others",
                   "[kokkos]", bfloat16, half) {
  llep::testing::seeded random(1);
  for (int i = 0; i < 200000; ++i) {
    auto const value = Kokkos::bit_cast<float>(static_cast<std::uint32_t>(random.next()));
    if (!std::isfinite(value)) continue;
    CAPTURE(value);
    std::uint32_t const bits = TestType(value).bits;
    double const gap = std::fabs(position<TestType>(bits) - double{value});
    REQUIRE(std::signbit(value) == ((bits & 0x8000U) != 0));
    if ((bits & 0x7FFFU) == infinity<TestType>) {
      REQUIRE(std::fabs(value) >= position<TestType>(infinity<TestType> - 1));
      continue;
    }
    REQUIRE(gap <= std::fabs(position<TestType>(bits + 1) - double{value}));
    if ((bits & 0x7FFFU) != 0)
      REQUIRE(gap <= std::fabs(position<TestType>(bits - 1) - double{value}));
  }
}

#ifdef __SSE__
// As programs that are linked with -ffast-math do. Compared is afterwards.
template <class F>
void without_subnormals(F f) {
  constexpr unsigned flush_results = 0x8000, flush_operands = 0x40;
  unsigned const before = _mm_getcsr();
  _mm_setcsr(before | flush_results | flush_operands);
  f();
  _mm_setcsr(before);
}

TEST_CASE("row types: half keeps its subnormals where float's are flushed to 0", "[kokkos]") {
  std::vector<float> read(patterns);
  std::vector<std::uint16_t> stored(patterns);
  float volatile smallest = std::numeric_limits<float>::denorm_min();
  bool flushed = false;
  without_subnormals([&] {
    flushed = smallest * 1.0F == 0.0F;
    for (std::uint32_t bits = 0; bits < patterns; ++bits) {
      read[bits] = static_cast<float>(pattern<half>(bits));
      stored[bits] = half(read[bits]).bits;
    }
  });
  REQUIRE(flushed);
  for (std::uint32_t bits = 0; bits < patterns; ++bits) {
    CAPTURE(bits);
    double const expected = meaning<half>(bits);
    if (std::isnan(expected)) continue;
    REQUIRE(double{read[bits]} == expected);
    REQUIRE(stored[bits] == bits);
  }
}
#endif

}  // namespace
