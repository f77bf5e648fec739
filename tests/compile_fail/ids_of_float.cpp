// SPDX-License-Identifier: Apache-2.0
// Expert ids are of a type that the device counts and indexes.
// expect: constraints not satisfied
// expect: device.count(q, ids, experts, out, out)
#include <llep/dispatcher.hpp>

#include <cstdint>

#include "support/archetypes.hpp"

using namespace llep::testing;

#ifdef LLEP_COMPILE_FAIL_CONTROL
using element = std::int64_t;
#else
using element = float;
#endif

using layer = llep::dispatcher<planner_archetype, communicator_archetype<>,
                               expert_kernel_archetype<>, row_order_archetype>;

void step(layer& moe, device_archetype<>::queue& q, expert_kernel_archetype<>& kernel,
          llep::matrix_ref<float const> x, llep::matrix_ref<element const> e,
          llep::matrix_ref<float const> gates, llep::matrix_ref<float> y) {
  moe.forward(q, kernel, x, e, gates, y);
}
