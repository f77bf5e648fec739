#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles the backend's device code for an NVIDIA GPU; needs neither one nor a Kokkos with CUDA.
# Without nvcc it says so and succeeds.
# usage: cuda_compile.sh NVCC KOKKOS_INCLUDE SCRATCH
set -euo pipefail
[ $# -eq 3 ] || { echo "usage: $0 NVCC KOKKOS_INCLUDE SCRATCH" >&2; exit 2; }
nvcc=$(command -v "$1") || { echo "SKIPPED: no nvcc ($1), so no CUDA code was compiled"; exit 0; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$3"
headers=$(cd "$3" && pwd)/kokkos-cuda
"$root/cmake/kokkos-cuda-headers.sh" "$2" "$headers"
for source in "$root"/tests/kokkos/compile_only/*.cpp; do
  "$nvcc" -x cu -std=c++20 -arch=sm_90 --extended-lambda --expt-relaxed-constexpr \
    -Xcompiler -fopenmp -Werror all-warnings -isystem "$headers" -I "$root/include" \
    -I "$root/backends/emulated/include" -I "$root/backends/kokkos/include" \
    -c "$source" -o "$3/$(basename "$source" .cpp).o"
  echo "compiled for CUDA: ${source#"$root"/}"
done
