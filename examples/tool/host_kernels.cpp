// SPDX-License-Identifier: Apache-2.0
#include "host_kernels.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <llep/kernel/loops.hpp>

#include "demo_run_with.hpp"
#include "input_error.hpp"
#include "layer_run_with.hpp"
#include "train/training_run_with.hpp"

namespace llep::tool {
namespace {

struct loops {
  template <class Family>
  using kernel = loops_kernel<Family>;
};

}  // namespace

host_kernel loops_host_kernel() {
  return {"loops", run_layer<loops>, run_demo<loops>, train::run_training<loops>};
}

std::string host_kernel_names() {
  std::string all;
  for (auto const& kernel : host_kernels()) all += (all.empty() ? "" : ", ") + kernel.name;
  return all;
}

host_kernel find_host_kernel(std::string const& name) {
  auto const built_in = host_kernels();
  auto const found = std::find_if(built_in.begin(), built_in.end(),
                                  [&](host_kernel const& kernel) { return kernel.name == name; });
  if (found == built_in.end())
    throw input_error("--kernel: " + (name.empty() ? "nothing" : shown(name)) +
                      " is not built into this program for the emulated backend, only " +
                      host_kernel_names() +
                      "; where backends/NAME exists, configure with -D LLEP_BACKENDS=NAME");
  return *found;
}

CLI::Option* add_kernel_option(CLI::App& to, std::string& value) {
  return to.add_option("--kernel", value, "what computes the experts: " + host_kernel_names())
      ->type_name("NAME")
      ->default_str(value);
}

}  // namespace llep::tool
