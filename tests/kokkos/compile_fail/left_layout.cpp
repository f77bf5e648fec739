// SPDX-License-Identifier: Apache-2.0
// A matrix's rows are contiguous; a view whose columns are isn't copied, but refused.
// expect: as_matrix: rows must be contiguous: declare the view with Kokkos::LayoutRight
#include <llep/backends/kokkos/view.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using layout = Kokkos::LayoutRight;
#else
using layout = Kokkos::LayoutLeft;
#endif

llep::matrix_ref<float> matrix(Kokkos::View<float**, layout, Kokkos::HostSpace> const& view) {
  return llep::kokkos::as_matrix<Kokkos::DefaultHostExecutionSpace>(view);
}
