// SPDX-License-Identifier: Apache-2.0
#include <llep/kernel/loops.hpp>

#include "engine_list.hpp"
#include "host_threads.hpp"
#include "train/training_run_with.hpp"

namespace llep::tool {
namespace {

struct loops : host_threads {
  template <class Family>
  using kernel = loops_kernel<Family>;
};

}  // namespace

void add_emulated_engines(std::vector<engine>& list) {
  list.push_back(make_engine<loops>("emulated", "loops"));
  list.back().run_training = train::run_training<loops>;
}

}  // namespace llep::tool
