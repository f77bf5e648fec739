// SPDX-License-Identifier: Apache-2.0
// Having the members of a communicator is not enough: the tag promises what they mean.
// expect: constraints not satisfied
// expect: communicator_tag
#include <llep/dispatcher.hpp>

#include "support/archetypes.hpp"

using namespace llep::testing;

struct group : communicator_archetype<> {
#ifndef LLEP_COMPILE_FAIL_CONTROL
  using communicator_concept = void;
#endif
};

using layer = llep::dispatcher<planner_archetype, group, expert_kernel_archetype<>>;
layer* made = nullptr;
