// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/eigen/kernel.hpp>

#include "engine_list.hpp"
#include "mpi_processes.hpp"

namespace llep::tool {
namespace {

struct on_eigen : mpi_processes {
  template <class Family>
  using kernel = eigen::kernel<Family>;
};

}  // namespace

void add_mpi_eigen_engines(std::vector<engine>& list) {
  list.push_back(make_engine<on_eigen>("mpi", "eigen"));
}

}  // namespace llep::tool
