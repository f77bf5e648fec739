// SPDX-License-Identifier: Apache-2.0
// What a kernel computes with is the accumulator of what its rows are stored in.
// expect: constraints not satisfied
// expect: computes_rows_of
#include <llep/backends/kokkos/kernel.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using computed = float;
#else
using computed = double;
#endif

using kernel = llep::kokkos::kernel<llep::swiglu_expert<computed>, Kokkos::DefaultExecutionSpace,
                                    llep::kokkos::bfloat16>;
std::size_t size() { return sizeof(kernel); }
