// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>

#include "layer_run.hpp"
#include "layer_run_with.hpp"

// The kernels of a program that has Eigen: stands in for layer_kernels.cpp.

namespace llep::tool {
namespace {

struct on_eigen {
  template <class Family>
  using kernel = eigen::kernel<Family>;
};

}  // namespace

std::vector<layer_kernel> layer_kernels() {
  return {loops_layer_kernel(), {"eigen", run_layer<on_eigen>}};
}

}  // namespace llep::tool
