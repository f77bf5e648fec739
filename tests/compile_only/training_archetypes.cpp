// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <cstdint>

#include "support/archetypes.hpp"

// Training over archetypes alone: it compiles only as long as it uses no more than the concepts
// grant.

namespace llep::testing {

using far = training_device_archetype<device_archetype<false>>;
using near = training_device_archetype<device_archetype<true>, double>;
using own_rows = training_device_archetype<own_rows_device_archetype<false>, row_archetype>;

template <class Device, bool PlacesSegments, bool NeedsProgress, class Row, class Checks>
using layer =
    dispatcher<planner_archetype, communicator_archetype<Device, PlacesSegments, NeedsProgress>,
               trainable_kernel_archetype<Device, Row>, row_order_archetype, Checks>;

/// A call makes the compiler build the member template.
template <class Layer, class Kernel, class Id>
struct training_of {
  using row = typename Kernel::row_type;
  using record = typename Layer::template record<float const>;

  static void step(Layer& moe, typename Layer::queue_type& q, Kernel& kernel,
                   matrix_ref<row const> in, matrix_ref<Id const> ids,
                   matrix_ref<float const> gates, matrix_ref<row> out,
                   matrix_ref<float> grad_gates) {
    record kept = moe.forward(q, kernel, in, ids, gates, out, training{});
    moe.backward(q, kernel, kept, in, out, grad_gates);
    moe.forward(q, kernel, in, ids, gates, out);
    static_cast<void>(moe.last_need(0, kernel, training{}));
  }
};

// Every pair of values of host_memory, places_segments and needs_progress occurs.
template struct training_of<layer<far, false, false, float, checks_archetype>,
                            trainable_kernel_archetype<far, float>, std::int32_t>;
template struct training_of<layer<far, true, true, float, checks_archetype>,
                            trainable_kernel_archetype<far, float>, std::int64_t>;
template struct training_of<layer<near, false, true, double, checks_archetype>,
                            trainable_kernel_archetype<near, double>, std::int64_t>;
template struct training_of<layer<near, true, false, double, checks_off>,
                            trainable_kernel_archetype<near, double>, std::int32_t>;
template struct training_of<layer<own_rows, false, false, row_archetype, checks_archetype>,
                            trainable_kernel_archetype<own_rows, row_archetype>, std::int32_t>;

}  // namespace llep::testing

namespace llep {

using namespace testing;

template class dispatcher<planner_archetype, communicator_archetype<far, false, false>,
                          trainable_kernel_archetype<far, float>, row_order_archetype,
                          checks_archetype>;
template class dispatcher<planner_archetype, communicator_archetype<near, true, true>,
                          trainable_kernel_archetype<near, double>, row_order_archetype,
                          checks_archetype>;
template class training_record<far, float>;
template class detail::record_pool<far>;
template class row_transport<communicator_archetype<far>>;
template class weight_lending<communicator_archetype<far>, trainable_kernel_archetype<far>>;
template class weight_lending<communicator_archetype<device_archetype<>>,
                              expert_kernel_archetype<>>;
template class execution<communicator_archetype<far>, trainable_kernel_archetype<far>>;

}  // namespace llep
