// SPDX-License-Identifier: Apache-2.0
// A matrix has rows and columns.
// expect: as_matrix: takes views of rank 2
#include <llep/backends/kokkos/view.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using elements = float**;
#else
using elements = float*;
#endif

auto matrix(Kokkos::View<elements, Kokkos::LayoutRight, Kokkos::HostSpace> const& view) {
  return llep::kokkos::as_matrix<Kokkos::DefaultHostExecutionSpace>(view);
}
