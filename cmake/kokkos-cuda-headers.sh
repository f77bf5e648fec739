#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copies installed Kokkos headers and turns CUDA on in the copy, so that code for Kokkos::Cuda can
# be compiled where no Kokkos was built with CUDA. Nothing can be linked with it.
# usage: kokkos-cuda-headers.sh KOKKOS_INCLUDE OUT
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 KOKKOS_INCLUDE OUT" >&2; exit 2; }
[ -e "$1/KokkosCore_config.h" ] || { echo "$1 has no KokkosCore_config.h" >&2; exit 2; }

rm -rf "$2"
cp -r "$1" "$2"
cd "$2"

enable() { # file macro...
  local file=$1 macro
  shift
  for macro in "$@"; do
    sed -i "s,^/\* #undef $macro \*/,#define $macro," "$file"
    grep -qw "^#define $macro" "$file" || { echo "$file doesn't know $macro" >&2; exit 1; }
  done
}
enable KokkosCore_config.h KOKKOS_ENABLE_CUDA KOKKOS_ARCH_HOPPER KOKKOS_ARCH_HOPPER90
enable desul/atomics/Config.hpp DESUL_ATOMICS_ENABLE_CUDA

# The three headers that list the spaces a Kokkos was built with.
include() { # file header
  grep -qF "<$2>" "$1" && return
  { cat "$1"; echo; echo "#include <$2>"; } >"$1.new"
  mv "$1.new" "$1"
}
include KokkosCore_Config_SetupBackend.hpp setup/Kokkos_Setup_Cuda.hpp
include KokkosCore_Config_FwdBackend.hpp fwd/Kokkos_Fwd_CUDA.hpp
include KokkosCore_Config_DeclareBackend.hpp decl/Kokkos_Declare_CUDA.hpp
