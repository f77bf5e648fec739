// SPDX-License-Identifier: Apache-2.0
#include <llep/digest.hpp>  // first: proves they need no help
#include <llep/shape.hpp>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <type_traits>
#include <vector>

namespace {

using namespace llep;

TEST_CASE("contiguous_owners: blocks as even as possible, the first ones holding one more",
          "[core][shape]") {
  CHECK(contiguous_owners(8, 4) == std::vector<rank_id>{0, 0, 1, 1, 2, 2, 3, 3});
  CHECK(contiguous_owners(7, 3) == std::vector<rank_id>{0, 0, 0, 1, 1, 2, 2});
  CHECK(contiguous_owners(2, 4) == std::vector<rank_id>{0, 1});
  CHECK(contiguous_owners(3, 1) == std::vector<rank_id>{0, 0, 0});
  CHECK(contiguous_owners(0, 5).empty());
}

TEST_CASE("contiguous_owners: no rank holds two more than another, for any E and P",
          "[core][shape]") {
  for (std::int32_t ranks = 1; ranks <= 9; ++ranks)
    for (std::int32_t experts = 0; experts <= 40; ++experts) {
      CAPTURE(ranks, experts);
      auto const owner = contiguous_owners(experts, ranks);
      REQUIRE(std::ssize(owner) == experts);
      REQUIRE(std::ranges::is_sorted(owner));
      std::int64_t before = experts;
      for (rank_id r = 0; r < ranks; ++r) {
        auto const held = std::ranges::count(owner, r);
        REQUIRE((held == experts / ranks || held == experts / ranks + 1));
        REQUIRE(held <= before);  // those with one more come first
        before = held;
      }
    }
}

TEST_CASE("matrix_ref: rows lie a stride apart, and a view for reading comes from one for writing",
          "[core][shape]") {
  float numbers[12] = {};
  matrix_ref<float> const packed(numbers, 3, 4);
  CHECK(packed.stride == 4);
  CHECK(packed.row(2) == numbers + 8);
  matrix_ref<float> const strided(numbers, 2, 4, 6);
  CHECK(strided.row(1) == numbers + 6);
  matrix_ref<float const> const view = strided;
  CHECK((view.data == numbers && view.rows == 2 && view.cols == 4 && view.stride == 6));
  STATIC_REQUIRE_FALSE(std::is_convertible_v<matrix_ref<float const>, matrix_ref<float>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<matrix_ref<float>, matrix_ref<double const>>);
}

TEST_CASE("accumulator_t: double for double, float for everything narrower", "[core][shape]") {
  STATIC_REQUIRE(std::is_same_v<accumulator_t<double>, double>);
  STATIC_REQUIRE(std::is_same_v<accumulator_t<float>, float>);
  STATIC_REQUIRE(std::is_same_v<accumulator_t<std::uint16_t>, float>);
}

TEST_CASE("digest: values don't change between releases and machines", "[core][digest]") {
  STATIC_REQUIRE(digest().value() == 0U);
  STATIC_REQUIRE(digest("llep").add(std::int64_t{-1}).add(std::int32_t{7}).add(true).value() ==
                 0x432371FD449D1D14U);
}

TEST_CASE("digest: order, number and value of what is added all count", "[core][digest]") {
  std::vector<std::uint64_t> const values{
      digest().value(),
      digest().add(std::uint64_t{0}).value(),
      digest().add(std::uint64_t{0}).add(std::uint64_t{0}).value(),
      digest().add(std::uint64_t{1}).value(),
      digest().add(std::uint64_t{1}).add(std::uint64_t{2}).value(),
      digest().add(std::uint64_t{2}).add(std::uint64_t{1}).value(),
      digest().add(std::numeric_limits<std::uint64_t>::max()).value(),
      digest("a").value(),
      digest("b").value(),
      digest("ab").value(),
      digest("a").text("b").value(),
  };
  CHECK(std::set(values.begin(), values.end()).size() == values.size());
}

TEST_CASE("digest: signed numbers of all widths count as one value", "[core][digest]") {
  CHECK(digest().add(std::int32_t{-5}).value() == digest().add(std::int64_t{-5}).value());
  CHECK(digest().add(std::int64_t{5}).value() == digest().add(std::uint64_t{5}).value());
  CHECK(digest().add(false).value() == digest().add(std::uint64_t{0}).value());
}

TEST_CASE("digest: a million neighbouring values don't collide", "[core][digest]") {
  std::vector<std::uint64_t> values;
  for (std::int64_t i = 0; i < 1'000'000; ++i)
    values.push_back(digest().add(i / 1000).add(i % 1000).value());
  std::ranges::sort(values);
  CHECK(std::ranges::adjacent_find(values) == values.end());
}

}  // namespace
