// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/mpi/communicator.hpp>  // first: proves it needs no help

#include "support/archetypes.hpp"

// The mpi backend over archetypes of devices alone: it compiles only as long as it uses no more
// than the concept grants.

namespace llep::mpi {

using far = testing::device_archetype<false>;
using near = testing::device_archetype<true>;

template class communicator<far, access::staged>;
template class communicator<far, access::direct>;
template class communicator<near, access::staged>;
template class communicator<near, access::direct>;
static_assert(llep::communicator<communicator<far, access::staged>>);
static_assert(llep::communicator<communicator<far, access::direct>>);

}  // namespace llep::mpi
