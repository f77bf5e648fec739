// SPDX-License-Identifier: Apache-2.0
#include <llep/dispatcher.hpp>  // first: proves it needs no help

#include <cstdint>
#include <span>

#include "support/archetypes.hpp"

// The dispatcher, and what it is made of, over archetypes alone: it compiles only as long as it
// uses no more than the concepts grant.

namespace llep::testing {

using far = device_archetype<false>;
using near = device_archetype<true>;
using own_rows = own_rows_device_archetype<false>;

template <class Device, bool PlacesSegments, bool NeedsProgress, class Row, class Checks>
using layer =
    dispatcher<planner_archetype, communicator_archetype<Device, PlacesSegments, NeedsProgress>,
               expert_kernel_archetype<Device, Row>, row_order_archetype, Checks>;

/// A pointer to a member template makes the compiler build it, also where its class is instantiated
/// explicitly.
template <class Layer>
struct forward_of {
  static constexpr auto narrow = &Layer::template forward<std::int32_t, float>;
  static constexpr auto wide = &Layer::template forward<std::int64_t const, double const>;
};
template <class Layer>
struct forward_of_own_rows {
  static constexpr auto narrow = &Layer::template forward<std::int32_t const, float>;
  static constexpr auto wide = &Layer::template forward<std::int64_t, float const>;
};

// Every pair of values of host_memory, places_segments and needs_progress occurs. Explicit
// instantiation doesn't take an alias, so the arguments are spelled again below.
template struct forward_of<layer<far, false, false, float, checks_archetype>>;
template struct forward_of<layer<far, true, true, double, checks_archetype>>;
template struct forward_of<layer<near, false, true, double, checks_archetype>>;
template struct forward_of<layer<near, true, false, float, checks_archetype>>;
template struct forward_of<layer<near, true, false, float, checks_off>>;
template struct forward_of_own_rows<layer<own_rows, false, false, row_archetype, checks_archetype>>;

// Default arguments are only looked at where they are used.
using far_communicator = communicator_archetype<far>;
using far_kernel = expert_kernel_archetype<far>;
void use_defaults(far::queue& q, far_communicator& group, std::span<rank_id const> owner);
void use_defaults(far::queue& q, far_communicator& group, std::span<rank_id const> owner) {
  layer<far, false, false, float, checks_archetype> const constructed(q, group, owner);
  auto const made = make_dispatcher<far_kernel, row_order_archetype, checks_archetype>(
      q, group, owner, planner_archetype());
}

}  // namespace llep::testing

namespace llep {

using namespace testing;

template class dispatcher<planner_archetype, communicator_archetype<far, false, false>,
                          expert_kernel_archetype<far, float>, row_order_archetype,
                          checks_archetype>;
template class dispatcher<planner_archetype, communicator_archetype<far, true, true>,
                          expert_kernel_archetype<far, double>, row_order_archetype,
                          checks_archetype>;
template class dispatcher<planner_archetype, communicator_archetype<near, false, true>,
                          expert_kernel_archetype<near, double>, row_order_archetype,
                          checks_archetype>;
template class dispatcher<planner_archetype, communicator_archetype<near, true, false>,
                          expert_kernel_archetype<near, float>, row_order_archetype,
                          checks_archetype>;
template class dispatcher<planner_archetype, communicator_archetype<near, true, false>,
                          expert_kernel_archetype<near, float>, row_order_archetype, checks_off>;
template class dispatcher<planner_archetype, communicator_archetype<own_rows, false, false>,
                          expert_kernel_archetype<own_rows, row_archetype>, row_order_archetype,
                          checks_archetype>;

template class device_buffer<far>;
template class mirror<far>;
template class mirror<near>;
template class agreement<far>;
template class execution<communicator_archetype<far>, expert_kernel_archetype<far>>;

}  // namespace llep
