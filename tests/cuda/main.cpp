// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_session.hpp>

// What AddressSanitizer asks a program for, where it is built with it: memory that there isn't is a
// null pointer, as it is without, and not the end.
extern "C" char const* __asan_default_options();
extern "C" char const* __asan_default_options() { return "allocator_may_return_null=1"; }

int main(int argc, char* argv[]) { return Catch::Session().run(argc, argv); }
