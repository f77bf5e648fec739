// SPDX-License-Identifier: Apache-2.0
// fallback chooses between planners.
// expect: constraints not satisfied
// expect: planner_concept
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using otherwise = llep::standard_ep;
#else
using otherwise = llep::per_expert;
#endif

using policy = llep::fallback<llep::least_loaded, llep::per_rank, otherwise>;
policy* made = nullptr;
