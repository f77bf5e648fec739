// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/space.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::kokkos {

/// The elements of a view of rank 2, where they are: a reference for the dispatcher. The view keeps
/// owning them. Rows of a matrix are contiguous, so the layout is LayoutRight, or a LayoutStride,
/// which subviews have, whose elements of a row turn out to lie side by side.
/// @tparam Space where the rows are used; has to reach the view's memory
/// @throws llep::error (invalid_argument) if a LayoutStride has other rows
template <execution_space Space = Kokkos::DefaultExecutionSpace, class View>
  requires Kokkos::is_view_v<View>
[[nodiscard]] matrix_ref<typename View::value_type> as_matrix(View const& view) {
  using layout = typename View::array_layout;
  static_assert(View::rank == 2, "as_matrix: takes views of rank 2: [rows][elements of a row]");
  static_assert(
      std::same_as<layout, Kokkos::LayoutRight> || std::same_as<layout, Kokkos::LayoutStride>,
      "as_matrix: rows must be contiguous: declare the view with Kokkos::LayoutRight");
  static_assert(
      Kokkos::SpaceAccessibility<Space, typename View::memory_space>::accessible,
      "as_matrix: Space can't reach the view's memory: declare the view in Space's memory_space");
  auto const rows = static_cast<std::int64_t>(view.extent(0));
  auto const cols = static_cast<std::int64_t>(view.extent(1));
  auto const stride = rows > 1 ? static_cast<std::int64_t>(view.stride(0)) : cols;
  if constexpr (std::same_as<layout, Kokkos::LayoutStride>)
    expects((cols <= 1 || view.stride(1) == 1) && stride >= cols,
            "as_matrix: the view's rows aren't contiguous: use Kokkos::LayoutRight");
  return {view.data(), rows, cols, stride};
}

/// The view of a matrix that somebody else owns; unmanaged.
template <execution_space Space = Kokkos::DefaultExecutionSpace, class T>
[[nodiscard]] auto as_view(matrix_ref<T> matrix) {
  using view = Kokkos::View<T**, Kokkos::LayoutStride, typename Space::memory_space,
                            Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
  return view(matrix.data,
              Kokkos::LayoutStride(static_cast<std::size_t>(matrix.rows),
                                   static_cast<std::size_t>(matrix.stride),
                                   static_cast<std::size_t>(matrix.cols), std::size_t{1}));
}

}  // namespace llep::kokkos
