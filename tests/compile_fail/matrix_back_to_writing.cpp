// SPDX-License-Identifier: Apache-2.0
// A view for reading is had from a view for writing, never the other way round.
// expect: matrix_ref<const float>
// expect: matrix_ref<float>
#include <llep/shape.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using from = float;
using to = float const;
#else
using from = float const;
using to = float;
#endif

llep::matrix_ref<to> convert(llep::matrix_ref<from> view) { return view; }
