// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>

#include "demo_run_with.hpp"
#include "host_kernels.hpp"
#include "layer_run_with.hpp"
#include "train/training_run_with.hpp"

// The kernels of a program that has Eigen: stands in for host_kernels_plain.cpp.

namespace llep::tool {
namespace {

struct on_eigen {
  template <class Family>
  using kernel = eigen::kernel<Family>;
};

}  // namespace

std::vector<host_kernel> host_kernels() {
  return {loops_host_kernel(),
          {"eigen", run_layer<on_eigen>, run_demo<on_eigen>, train::run_training<on_eigen>}};
}

}  // namespace llep::tool
