// SPDX-License-Identifier: Apache-2.0
// The kernel computes where the communicator delivers: on the same device.
// expect: constraints not satisfied
// expect: is_same_v<
// expect: device_archetype<true>
#include <llep/dispatcher.hpp>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using kernel = expert_kernel_archetype<device_archetype<false>>;
#else
using kernel = expert_kernel_archetype<device_archetype<true>>;
#endif

using group = communicator_archetype<device_archetype<false>>;
using layer = llep::dispatcher<planner_archetype, group, kernel>;
layer* made = nullptr;
