// SPDX-License-Identifier: Apache-2.0
// An expert has at least one block of weights.
// expect: constraints not satisfied
// expect: K::blocks >= 1
#include <llep/dispatcher.hpp>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using kernel = expert_kernel_archetype<device_archetype<>, float, 1>;
#else
using kernel = expert_kernel_archetype<device_archetype<>, float, 0>;
#endif

using layer = llep::dispatcher<planner_archetype, communicator_archetype<>, kernel>;
layer* made = nullptr;
