// SPDX-License-Identifier: Apache-2.0
#include <Kokkos_Core.hpp>

#include <catch2/catch_session.hpp>

// What AddressSanitizer asks a program for, where it is built with it: memory that there isn't is a
// null pointer, as it is without, and not the end.
extern "C" char const* __asan_default_options();
extern "C" char const* __asan_default_options() { return "allocator_may_return_null=1"; }

// Kokkos lives as long as the session: a rank's instance is made after it and dropped before it.
int main(int argc, char* argv[]) {
  Kokkos::ScopeGuard const kokkos(argc, argv);
  return Catch::Session().run(argc, argv);
}
