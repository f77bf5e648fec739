// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>
#include <utility>

#include <llep/backends/emulated/run.hpp>
#include <llep/testing/abort.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/layer.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "seeds.hpp"
#include "stream_shelf.cuh"

// P ranks on one GPU, a thread and a device object each: communicator, and whole layers forward and
// backward against the dense layer on the host.

namespace {

using namespace llep;
using namespace llep::bench;
using cuda_device = cuda::device<>;
using emulated::placement;

struct blas {
  template <class Family>
  shelf_kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    return {family, std::move(native), std::move(grads)};
  }
};

template <placement Placement, class Body>
void on_ranks(std::int32_t ranks, Body body) {
  emulated::run<Placement>(
      ranks, [] { return cuda_device(); },
      [&](auto& group) {
        auto q = group.device().make_queue();
        body(group, q);
      });
}

template <placement Placement>
void check_layers(arguments const& given, report& to, std::int32_t ranks, std::string const& name) {
  constexpr std::uint64_t many = 4;
  check_seeds(given, to, name + ": layers", many, [&](std::uint64_t seed) {
    on_ranks<Placement>(ranks, [seed](auto& group, cuda::queue& q) {
      testing::check_layer(group, q, swiglu_expert<float>{}, blas{}, seed);
      gptoss_expert<float> family{};
      family.limit = 0.75;  // that values reach
      testing::check_layer(group, q, family, blas{}, seed);
    });
  });
}

void check_all(arguments const& given, report& to) {
  constexpr std::uint64_t many = 10;
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    auto const name = "emulated, P = " + std::to_string(ranks);
    check_seeds(given, to, name + ": communicator", many, [ranks](std::uint64_t seed) {
      on_ranks<placement::segments>(ranks, [seed](auto& group, cuda::queue& q) {
        testing::check_communicator(group, q, seed);
      });
    });
    check_seeds(given, to, name + ": abort", many, [ranks](std::uint64_t seed) {
      on_ranks<placement::segments>(
          ranks, [seed](auto& group, cuda::queue& q) { testing::check_abort(group, q, seed); });
    });
    check_layers<placement::segments>(given, to, ranks, name + ", segments");
    check_layers<placement::packed>(given, to, ranks, name + ", packed");
  }
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
