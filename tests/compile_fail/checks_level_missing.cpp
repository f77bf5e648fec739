// SPDX-License-Identifier: Apache-2.0
// What is checked is chosen by a level, not by a bare yes or no.
// expect: constraints not satisfied
// expect: checks_concept
#include <llep/dispatcher.hpp>

#include <type_traits>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using level = llep::checks_thorough;
#else
using level = std::true_type;
#endif

using layer = llep::dispatcher<planner_archetype, communicator_archetype<>,
                               expert_kernel_archetype<>, row_order_archetype, level>;
layer* made = nullptr;
