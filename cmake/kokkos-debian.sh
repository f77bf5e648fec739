#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian's newest Kokkos (sid; its OpenMP backend) to PREFIX/kokkos, without root. It was
# built against a newer C library than bookworm's, so that comes along, and programs that link
# Kokkos start with it: they run where PREFIX stays, and nowhere else.
# usage: kokkos-debian.sh PREFIX
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 PREFIX" >&2; exit 2; }
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
[ ! -d "$prefix/kokkos" ] || exit 0

"$(dirname "$0")/deps-debian.sh" "$prefix" \
  sid:kokkos=libkokkos-dev_@libkokkos-dev_libc6_libstdc++6_libgcc-s1_libgomp1

work=$(mktemp -d "$prefix/.kokkos.XXXXXX") # beside the target, so that a rename will do
trap 'rm -rf "$work"' EXIT
cp -a "$prefix/sid/kokkos/usr" "$work/kokkos"
cd "$work/kokkos"/lib/*-linux-gnu
mkdir runtime # apart, as CMake warns of folders that hide the system's libraries
find . -mindepth 1 -maxdepth 1 ! -name 'libkokkos*' ! -name cmake ! -name runtime \
  -exec mv -t runtime {} +
runtime=$prefix/kokkos/lib/$(basename "$PWD")/runtime
loader=$(basename runtime/ld-linux*.so.*)
# The package leaves out two archives that have nothing in them.
for name in algorithms simd; do
  [ -e libkokkos$name.a ] || ar rcs libkokkos$name.a
done
sed -i "s#\"/usr/include/kokkos\"#\"$prefix/kokkos/include/kokkos\"#" \
  cmake/Kokkos/KokkosTargets.cmake
cat >>cmake/Kokkos/KokkosConfig.cmake <<CMAKE
set_property(TARGET Kokkos::kokkoscore APPEND PROPERTY INTERFACE_LINK_OPTIONS
  "LINKER:--dynamic-linker=$runtime/$loader" LINKER:--disable-new-dtags
  "LINKER:-rpath,$runtime" LINKER:--allow-shlib-undefined)
CMAKE
mv -T "$work/kokkos" "$prefix/kokkos" 2>/dev/null ||
  [ -d "$prefix/kokkos" ] # another run was first
