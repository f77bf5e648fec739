// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>

#include "kokkos/on_kokkos.hpp"
#include "support/allocations.hpp"
#include "support/random_gradients.hpp"

// What the Kokkos device asks memory for, and when.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using kernel_type = kokkos::kernel<swiglu_expert<float>>;

random_layer<float> four_ranks() {
  random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 160;  // more groups than a launch takes
  layer.choices = 3;
  layer.tokens = {60, 0, 91, 57};
  layer.owner = contiguous_owners(layer.experts, 4);
  std::mt19937_64 random(5);
  fill(layer, random);
  return layer;
}

template <placement Placement>
std::int64_t allocations_in_steady_steps() {
  auto const layer = four_ranks();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<float> result(layer);
  allocations = 0;
  emulated::run<Placement>(4, make_kokkos_device, [&](auto& group) {
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
    auto q = group.device().make_queue();
    auto moe = make_dispatcher<kernel_type>(q, group, layer.owner,
                                            least_loaded{.alpha = 1.0, .min_chunk_rows = 1});
    auto const once = [&] {
      auto record = train(layer, mine, moe, q, kernel, result, training{});
      go_back(layer, mine, moe, q, kernel, record, grad_out, result);
    };
    std::int64_t word = 0;
    std::int64_t all[4] = {};
    for (int i = 0; i < 3; ++i) once();
    group.all_gather(q, &word, all, 1);
    watching = true;
    for (int i = 0; i < 10; ++i) once();
    group.all_gather(q, &word, all, 1);
    watching = false;
  });
  return allocations;
}

TEST_CASE("kokkos: steady training steps allocate nothing", "[kokkos]") {
  CHECK(allocations_in_steady_steps<placement::segments>() == 0);
  CHECK(allocations_in_steady_steps<placement::packed>() == 0);
}

TEST_CASE("kokkos: memory that there isn't is a bad_alloc, and the device goes on", "[kokkos]") {
  auto device = make_kokkos_device();
  for (byte_count const bytes : {byte_count{1} << 60, byte_count{-1}, ~(byte_count{1} << 63)}) {
    CHECK_THROWS_AS(device.allocate(bytes), std::bad_alloc);
    CHECK_THROWS_AS(device.allocate_staging(bytes), std::bad_alloc);
  }
  void* const some = device.allocate(1);
  CHECK(some != nullptr);
  device.deallocate(some);
  device.deallocate(nullptr);
}

TEST_CASE("kokkos: a device that is moved takes its memory along", "[kokkos]") {
  auto first = make_kokkos_device();
  auto q = first.make_queue();
  std::vector<std::int32_t> const ids{1, 0, 1};
  std::vector<std::int64_t> bad(2);
  std::vector<std::int64_t> counts(2);
  matrix_ref<std::int32_t const> const chosen(ids.data(), 3, 1);
  first.count(q, chosen, 2, bad.data(), counts.data());
  void* const memory = first.allocate(100);
  auto second(std::move(first));
  second.count(q, chosen, 2, bad.data(), counts.data());
  CHECK(counts == std::vector<std::int64_t>{1, 2});
  second.deallocate(memory);
}

TEST_CASE("kokkos: events of one rank's device are reached by another's", "[kokkos]") {
  auto mine = make_kokkos_device();
  auto other = make_kokkos_device();
  auto q = mine.make_queue();
  auto theirs = other.make_queue();
  auto event = mine.make_event();
  CHECK_NOTHROW(other.wait(theirs, event));  // counts as reached
  mine.record(event, q);
  CHECK_NOTHROW(other.wait(theirs, event));
  CHECK_NOTHROW(other.sync(event));
}

}  // namespace
