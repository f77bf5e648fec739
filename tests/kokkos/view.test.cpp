// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/kokkos/view.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

#include "support/routing_case.hpp"

namespace {

using namespace llep;
using kokkos::as_matrix;
using kokkos::as_view;
using rows = Kokkos::View<float**, Kokkos::LayoutRight, Kokkos::HostSpace>;
using host = Kokkos::DefaultHostExecutionSpace;

TEST_CASE("view: a view with contiguous rows is the same matrix in the same memory", "[kokkos]") {
  rows const view("view", 3, 5);
  auto const matrix = as_matrix<host>(view);
  STATIC_REQUIRE(std::is_same_v<decltype(matrix), matrix_ref<float> const>);
  CHECK(matrix.data == view.data());
  CHECK(matrix.rows == 3);
  CHECK(matrix.cols == 5);
  matrix.row(2)[4] = 7;
  CHECK(view(2, 4) == 7);

  Kokkos::View<float const**, Kokkos::LayoutRight, Kokkos::HostSpace> const reading = view;
  STATIC_REQUIRE(std::is_same_v<decltype(as_matrix<host>(reading)), matrix_ref<float const>>);
  CHECK(as_matrix<host>(reading).data == view.data());
}

TEST_CASE("view: columns of a view are a matrix with its stride", "[kokkos]") {
  rows const view("view", 4, 7);
  auto const some = Kokkos::subview(view, Kokkos::ALL, std::pair<std::size_t, std::size_t>(2, 5));
  auto const matrix = as_matrix<host>(some);
  CHECK(matrix.data == &view(0, 2));
  CHECK(matrix.rows == 4);
  CHECK(matrix.cols == 3);
  CHECK(matrix.stride == 7);
  CHECK(&matrix.row(3)[1] == &view(3, 3));
}

TEST_CASE("view: a view without elements is a matrix without elements", "[kokkos]") {
  CHECK(as_matrix<host>(rows("view", 0, 5)).rows == 0);
  CHECK(as_matrix<host>(rows("view", 3, 0)).cols == 0);
}

TEST_CASE("view: strided rows are refused in words that name the layout", "[kokkos]") {
  using strided = Kokkos::View<float**, Kokkos::LayoutStride, Kokkos::HostSpace>;
  rows const view("view", 4, 6);
  strided const columns(view.data(), Kokkos::LayoutStride(6, 1, 4, 6));
  testing::check_refused("Kokkos::LayoutRight", [&] { return as_matrix<host>(columns); });
  strided const overlapping(view.data(), Kokkos::LayoutStride(4, 2, 6, 1));
  testing::check_refused("Kokkos::LayoutRight", [&] { return as_matrix<host>(overlapping); });
}

TEST_CASE("view: a matrix is a view of the same elements, and back again", "[kokkos]") {
  float numbers[3 * 8] = {};
  matrix_ref<float> const matrix(numbers, 3, 5, 8);
  auto const view = as_view<host>(matrix);
  view(2, 4) = 9;
  CHECK(matrix.row(2)[4] == 9);
  CHECK(view.extent(0) == 3);
  CHECK(view.extent(1) == 5);
  auto const again = as_matrix<host>(view);
  CHECK(again.data == numbers);
  CHECK(again.stride == 8);
}

}  // namespace
