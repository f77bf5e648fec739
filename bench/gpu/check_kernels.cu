// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/cuda/tiled_kernel.cuh>
#include <llep/testing/kernel.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "seeds.hpp"

// The kernels on a GPU, against the loops kernel: the library's suite. Rows of 16 bits are in
// check_golden.cu.

namespace {

using namespace llep;
using namespace llep::bench;
using cuda_device = cuda::device<>;

struct blas {
  std::shared_ptr<cuda::blas_streams<>> streams;
  cuda::blas_options options;

  template <class Family>
  cuda::kernel<Family> operator()(Family const& family, auto native, auto grads) const {
    return {family, std::move(native), std::move(grads), options, streams};
  }
};
struct tiled {
  template <class Family>
  cuda::tiled_kernel<Family> operator()(Family const& family, auto native, auto /*grads*/) const {
    return {family, std::move(native)};
  }
};

template <class Family, class Make>
void check_one(cuda_device& device, cuda::queue& q, Family const& family, Make const& make,
               std::uint64_t seed, bool rows_stand_alone) {
  testing::kernel_options<typename Family::element> how;
  how.rows_stand_alone = rows_stand_alone;
  testing::check_kernel(device, q, family, make, seed, how);
  how.sizes = {64, 64, 8};  // rows and blocks that vectors divide
  testing::check_kernel(device, q, family, make, seed, how);
}

template <class T, class Make>
void check_families(cuda_device& device, cuda::queue& q, Make const& make, std::uint64_t seed,
                    bool rows_stand_alone) {
  check_one(device, q, linear_expert<T>{}, make, seed, rows_stand_alone);
  check_one(device, q, swiglu_expert<T>{}, make, seed, rows_stand_alone);
  gptoss_expert<T> family{};
  family.limit = 0.75;  // that values reach
  check_one(device, q, family, make, seed, rows_stand_alone);
}

void check_all(arguments const& given, report& to) {
  cuda_device device;
  auto q = device.make_queue();
  auto const streams = std::make_shared<cuda::blas_streams<>>(3);
  constexpr row_count always = 1'000'000;
  constexpr std::uint64_t many = 12;
  for (row_count const below : {row_count{0}, always}) {
    blas const make{streams, {.grouped_below_rows = below}};
    std::string const name = below == 0 ? "kernel: a product each" : "kernel: grouped products";
    check_seeds(given, to, name + ", float", many,
                [&](std::uint64_t seed) { check_families<float>(device, q, make, seed, false); });
    check_seeds(given, to, name + ", double", many,
                [&](std::uint64_t seed) { check_families<double>(device, q, make, seed, false); });
  }
  check_seeds(given, to, "tiled kernel, float", many,
              [&](std::uint64_t seed) { check_families<float>(device, q, tiled{}, seed, true); });
  check_seeds(given, to, "tiled kernel, double", many,
              [&](std::uint64_t seed) { check_families<double>(device, q, tiled{}, seed, true); });
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
