// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <llep/backends/kokkos/device.hpp>
#include <llep/backends/kokkos/kernel.hpp>

namespace llep::testing {

using kokkos_device = kokkos::device<>;

/// A device with an instance of its own, for the calling thread.
inline kokkos_device make_kokkos_device() { return kokkos_device(kokkos::own_instance()); }

/// For the golden tests.
struct on_kokkos {
  template <class Family>
  using kernel = kokkos::kernel<Family>;
  static kokkos_device make_device() { return make_kokkos_device(); }
};

}  // namespace llep::testing
