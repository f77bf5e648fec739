// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/device.hpp>
#include <llep/backends/kokkos/kernel.hpp>

namespace llep::testing {

using kokkos_device = kokkos::device<>;

/// A device with an instance of its own, for the calling thread.
inline kokkos_device make_kokkos_device() {
#ifdef KOKKOS_ENABLE_OPENMP
  return kokkos_device(Kokkos::OpenMP(1));
#else
  return kokkos_device();
#endif
}

/// For the golden tests.
struct on_kokkos {
  template <class Family>
  using kernel = kokkos::kernel<Family>;
  static kokkos_device make_device() { return make_kokkos_device(); }
};

}  // namespace llep::testing
