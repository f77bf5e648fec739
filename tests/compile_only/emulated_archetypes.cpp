// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/emulated/run.hpp>  // first: proves it needs no help

#include <cstdint>

#include "support/archetypes.hpp"

// The emulated backend over archetypes of devices alone: it compiles only as long as it uses no
// more than the concept grants.

namespace llep::emulated {

using far = testing::device_archetype<false>;
using near = testing::device_archetype<true>;

template class communicator<far, placement::segments>;
template class communicator<far, placement::packed>;
template class communicator<near, placement::segments>;
template class communicator<near, placement::packed>;
template class group<far>;
template struct operation<far>;
template struct endpoint<far>;

outcome run_anywhere(std::int32_t ranks, far (*make_device)(),
                     void (*body)(communicator<far, placement::packed>&), options const& how);
outcome run_anywhere(std::int32_t ranks, far (*make_device)(),
                     void (*body)(communicator<far, placement::packed>&), options const& how) {
  return try_run<placement::packed>(ranks, make_device, body, how);
}

}  // namespace llep::emulated
