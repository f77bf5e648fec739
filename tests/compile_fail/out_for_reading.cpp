// SPDX-License-Identifier: Apache-2.0
// forward doesn't take a matrix for its result that can only be read.
// expect: no matching
// expect: matrix_ref<const float>
#include <llep/dispatcher.hpp>

#include <cstdint>

#include "support/archetypes.hpp"

using namespace llep::testing;

using layer = llep::dispatcher<planner_archetype, communicator_archetype<>,
                               expert_kernel_archetype<>, row_order_archetype>;

void step(layer& moe, device_archetype<>::queue& q, expert_kernel_archetype<>& kernel,
          llep::matrix_ref<float const> x, llep::matrix_ref<std::int32_t const> ids,
          llep::matrix_ref<float const> gates,
#ifdef LLEP_COMPILE_FAIL_CONTROL
          llep::matrix_ref<float> y) {
#else
          llep::matrix_ref<float const> y) {
#endif
  moe.forward(q, kernel, x, ids, gates, y);
}
