// SPDX-License-Identifier: Apache-2.0
// fallback chooses by a test of imbalance, not by any function that could be called.
// expect: constraints not satisfied
// expect: imbalance_test_concept
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>

#ifdef LLEP_COMPILE_FAIL_CONTROL
using uneven = llep::per_expert;
#else
using uneven = bool (*)(std::span<llep::row_count const>, std::span<llep::row_count const>);
#endif

using policy = llep::fallback<llep::least_loaded, uneven>;
policy* made = nullptr;
