// SPDX-License-Identifier: Apache-2.0
// Gates are of a type that the device combines the kernel's rows with.
// expect: constraints not satisfied
// expect: device.combine(q, y, slots, gates, out)
#include <llep/dispatcher.hpp>

#include <cstdint>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using element = double;
#else
using element = int;
#endif

using layer = llep::dispatcher<planner_archetype, communicator_archetype<>,
                               expert_kernel_archetype<>, row_order_archetype>;

void step(layer& moe, device_archetype<>::queue& q, expert_kernel_archetype<>& kernel,
          llep::matrix_ref<float const> x, llep::matrix_ref<std::int32_t const> ids,
          llep::matrix_ref<element const> g, llep::matrix_ref<float> y) {
  moe.forward(q, kernel, x, ids, g, y);
}
