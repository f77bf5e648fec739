// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>

#include "engine_list.hpp"
#include "host_threads.hpp"
#include "train/training_run_with.hpp"

namespace llep::tool {
namespace {

struct on_eigen : host_threads {
  template <class Family>
  using kernel = eigen::kernel<Family>;
};

}  // namespace

void add_eigen_engines(std::vector<engine>& list) {
  list.push_back(make_engine<on_eigen>("emulated", "eigen"));
  list.back().run_training = train::run_training<on_eigen>;
}

}  // namespace llep::tool
