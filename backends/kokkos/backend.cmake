# SPDX-License-Identifier: Apache-2.0
llep_backend(kokkos PACKAGES "Kokkos 5.2" LINK Kokkos::kokkos)
