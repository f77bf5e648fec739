// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/kokkos/kernel.hpp>

#include "engine_list.hpp"
#include "host_threads.hpp"

namespace llep::tool {
namespace {

using space = Kokkos::DefaultHostExecutionSpace;  // the tool's data lie in host memory

/// Emulated ranks, each on a Kokkos instance of its own.
struct on_kokkos : host_threads {
  static constexpr char const* words = "Kokkos instances in this process";

  template <class Family>
  using kernel = kokkos::kernel<Family, space>;

  static std::shared_ptr<void> start(std::int64_t) {
    return std::make_shared<Kokkos::ScopeGuard>(
        Kokkos::InitializationSettings().set_disable_warnings(true));
  }

  template <class Body>
  static void run(std::int32_t ranks, emulated::options const& how, Body body) {
    run_on([] { return kokkos::device<space>(kokkos::own_instance<space>()); }, ranks, how, body);
  }
};

}  // namespace

void add_kokkos_engines(std::vector<engine>& list) {
  list.push_back(make_engine<on_kokkos>("kokkos", "kokkos"));
}

}  // namespace llep::tool
