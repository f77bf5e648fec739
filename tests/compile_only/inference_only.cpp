// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <cstdint>

#include "support/archetypes.hpp"

// A layer whose kernel can't be trained, as a user writes it: no member of training may be looked
// at. clang 14 takes this, but not such a class' explicit instantiation, where it builds members
// whose constraints aren't met.

namespace llep::testing {

using far = device_archetype<false>;
using inference_layer =
    dispatcher<planner_archetype, communicator_archetype<far>, expert_kernel_archetype<far>,
               row_order_archetype, checks_archetype>;

plan const& step(inference_layer& layer, far::queue& q, expert_kernel_archetype<far>& kernel,
                 matrix_ref<float> hidden, matrix_ref<std::int32_t const> ids,
                 matrix_ref<float const> gates, matrix_ref<float> out);
plan const& step(inference_layer& layer, far::queue& q, expert_kernel_archetype<far>& kernel,
                 matrix_ref<float> hidden, matrix_ref<std::int32_t const> ids,
                 matrix_ref<float const> gates, matrix_ref<float> out) {
  layer.forward(q, kernel, hidden, ids, gates, out);
  static_cast<void>(layer.last_need(0, kernel));
  return layer.last_plan();
}

}  // namespace llep::testing
