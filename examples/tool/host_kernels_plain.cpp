// SPDX-License-Identifier: Apache-2.0
#include "host_kernels.hpp"

// The kernels of a program without backends that bring more.

namespace llep::tool {

std::vector<host_kernel> host_kernels() { return {loops_host_kernel()}; }

}  // namespace llep::tool
