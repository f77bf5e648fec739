// SPDX-License-Identifier: Apache-2.0
// A dispatcher takes no policy that doesn't say it is a planner.
// expect: constraints not satisfied
// expect: planner_concept
#include <llep/dispatcher.hpp>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using policy = planner_archetype;
#else
using policy = row_order_archetype;
#endif

using layer = llep::dispatcher<policy, communicator_archetype<>, expert_kernel_archetype<>>;
layer* made = nullptr;
