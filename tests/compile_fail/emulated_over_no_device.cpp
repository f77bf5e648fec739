// SPDX-License-Identifier: Apache-2.0
// An emulated group runs over a device, not over any type that has queues and events.
// expect: constraints not satisfied
// expect: device_tag
#include <llep/backends/emulated/communicator.hpp>

struct accelerator : llep::host_device {
#ifndef LLEP_COMPILE_FAIL_CONTROL
  using device_concept = void;
#endif
};

using group = llep::emulated::communicator<accelerator>;
group* made = nullptr;
