// SPDX-License-Identifier: Apache-2.0
#include "layer_run.hpp"

#include <llep/kernel/loops.hpp>

#include "layer_run_with.hpp"

namespace llep::tool {
namespace {

struct loops {
  template <class Family>
  using kernel = loops_kernel<Family>;
};

}  // namespace

layer_kernel loops_layer_kernel() { return {"loops", run_layer<loops>}; }

}  // namespace llep::tool
