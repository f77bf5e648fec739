// SPDX-License-Identifier: Apache-2.0
#include "layer_run.hpp"

// The kernels of a program without backends that bring more.

namespace llep::tool {

std::vector<layer_kernel> layer_kernels() { return {loops_layer_kernel()}; }

}  // namespace llep::tool
