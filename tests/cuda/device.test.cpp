// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/device.cuh>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <atomic>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <llep/testing/abort.hpp>
#include <llep/testing/communicator.hpp>
#include <llep/testing/device.hpp>
#include <llep/testing/training_device.hpp>

#include "support/sanitizers.hpp"

// The device on the stand-in for CUDA: what GPUs do with it, bench/gpu_check.sh tells.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::ContainsSubstring;
using cuda_device = cuda::device<>;

static_assert(device<cuda_device>);
static_assert(checks_memory<cuda_device>);
static_assert(trains_rows<cuda_device, float, float, float>);
static_assert(trains_rows<cuda_device, double, double, double>);
static_assert(trains_rows<cuda_device, cuda::bfloat16, float, float>);
static_assert(trains_rows<cuda_device, cuda::half, double, float>);

void check_seed(cuda_device& device, std::uint64_t seed) {
  auto q = device.make_queue();
  check_device(device, q, seed);
  check_training_device<float, float, float>(device, q, seed);
  check_training_device<float, double, float>(device, q, seed);
  check_training_device<double, float, double>(device, q, seed);
  check_training_device<double, double, double>(device, q, seed);
}

TEST_CASE("conformance: the CUDA device keeps its promises", "[conformance][cuda]") {
  cuda_device device;
  for (std::uint64_t seed = 0; seed < cases(80); ++seed) CHECK_NOTHROW(check_seed(device, seed));
}

TEST_CASE("conformance: the emulated communicator keeps its promises between CUDA devices",
          "[conformance][cuda]") {
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    CAPTURE(ranks);
    CHECK_NOTHROW(emulated::run(
        ranks, [] { return cuda_device(); },
        [](auto& group) {
          auto q = group.device().make_queue();
          for (std::uint64_t seed = 0; seed < cases(20); ++seed) check_communicator(group, q, seed);
        }));
  }
}

TEST_CASE("conformance: an emulated group of CUDA devices goes down as promised",
          "[conformance][cuda]") {
  for (std::int32_t const ranks : {1, 2, 8})
    for (std::uint64_t seed = 0; seed < cases(20); ++seed) {
      CAPTURE(ranks, seed);
      CHECK_NOTHROW(emulated::run(
          ranks, [] { return cuda_device(); },
          [seed](auto& group) {
            auto q = group.device().make_queue();
            check_abort(group, q, seed);
          }));
    }
}

// Slots of a stable counting sort with one segment an expert, from 0 on.
std::vector<std::int32_t> sorted_slots(std::vector<std::int32_t> const& ids, std::int32_t experts) {
  std::vector<std::int32_t> next(at(experts) + 1);
  for (auto const e : ids) ++next[at(e) + 1];
  for (std::size_t e = 0; e < at(experts); ++e) next[e + 1] += next[e];
  std::vector<std::int32_t> slots;
  for (auto const e : ids) slots.push_back(next[at(e)]++);
  return slots;
}

// Experts whose counters fit into shared memory for four warps, for one, and not at all.
TEST_CASE("cuda: rows are indexed in order however many there are of them and of experts",
          "[cuda]") {
  cuda_device device;
  auto q = device.make_queue();
  seeded random(5);
  for (std::int32_t const experts : {1, 7, 3000, 9000, 20000}) {
    for (std::int64_t const tokens : {1, 31, 700, 9000}) {
      CAPTURE(experts, tokens);
      std::vector<std::int32_t> ids;
      for (std::int64_t i = 0; i < tokens * 2; ++i)
        ids.push_back(random.int32(0, random.chance(50) ? experts - 1 : 0));
      std::vector<std::int64_t> offsets;
      std::vector<row_segment> segments;
      std::vector<std::int64_t> expected(at(experts));
      for (auto const e : ids) ++expected[at(e)];
      std::int64_t first = 0;
      for (std::int32_t e = 0; e < experts; ++e) {
        offsets.push_back(e);
        segments.push_back({0, first});
        first += expected[at(e)];
      }
      offsets.push_back(experts);
      on_device<cuda_device, std::int32_t> const chosen(device, q, ids);
      on_device<cuda_device, std::int64_t> const cuts(device, q, offsets);
      on_device<cuda_device, row_segment> const where(device, q, segments);
      on_device<cuda_device, std::int32_t> const slots(device, q,
                                                       std::vector<std::int32_t>(ids.size(), -5));
      on_device<cuda_device, std::int64_t> const counts(device, q,
                                                        std::vector<std::int64_t>(at(experts), 9));
      on_device<cuda_device, std::int64_t> const bad(device, q, {5, 5});
      matrix_ref<std::int32_t const> const matrix(chosen.data(), tokens, 2);
      device.count(q, matrix, experts, bad.data(), counts.data());
      device.index(q, matrix, experts, cuts.data(), where.data(), slots.data());
      CHECK(slots.read() == sorted_slots(ids, experts));
      CHECK(counts.read() == expected);
      CHECK(bad.read() == std::vector<std::int64_t>{-1, 0});
    }
  }
}

/// What a device makes of rows of H elements; the same seed gives the same.
template <class D>
std::vector<std::vector<float>> wide_rows(D& device, std::int64_t hidden) {
  using floats = on_device<D, float>;
  constexpr std::int64_t tokens = 3;
  constexpr std::int64_t choices = 5;
  auto q = device.make_queue();
  seeded random(static_cast<std::uint64_t>(hidden));
  floats const x(device, q, simple_list<float>(random, tokens * hidden));
  floats const gates(device, q, simple_list<float>(random, tokens * choices));
  on_device<D, std::int32_t> const slots(device, q, random.order(tokens * choices));
  floats const rows(device, q, std::vector<float>(at(tokens * choices * hidden), 77));
  floats const out(device, q, std::vector<float>(at(tokens * hidden), 77));
  floats const total(device, q, std::vector<float>(at(tokens * hidden), 77));
  floats const dots(device, q, std::vector<float>(at(tokens * choices), 77));
  matrix_ref<float const> const from(x.data(), tokens, hidden);
  matrix_ref<float const> const gate(gates.data(), tokens, choices);
  auto const bytes = hidden * static_cast<byte_count>(sizeof(float));
  device.pack(q, reinterpret_cast<std::byte const*>(x.data()), bytes, bytes, choices, slots.data(),
              tokens * choices, reinterpret_cast<std::byte*>(rows.data()));
  float const* const packed = rows.data();
  device.combine(q, packed, slots.data(), gate, matrix_ref<float>(out.data(), tokens, hidden));
  device.sum(q, packed, slots.data(), choices, matrix_ref<float>(total.data(), tokens, hidden));
  device.gate_gradient(q, packed, slots.data(), from,
                       matrix_ref<float>(dots.data(), tokens, choices));
  auto const were_packed = rows.read();
  device.pack_scaled(q, from, gate, slots.data(), rows.data());
  return {were_packed, out.read(), total.read(), dots.read(), rows.read()};
}

// More than a block's threads take at once, and more than a warp does.
TEST_CASE("cuda: rows are as wide as they like", "[cuda]") {
  cuda_device device;
  host_device host;
  for (std::int64_t const hidden : {129, 133, 300, 1028, 5000, 5001}) {
    CAPTURE(hidden);
    CHECK(wide_rows(device, hidden) == wide_rows(host, hidden));
  }
}

std::string refusal(cuda_device const& device, void const* p, std::size_t alignment) {
  try {
    device.check_memory(p, alignment, "hidden");
  } catch (error const& e) {
    CHECK(e.code() == errc::invalid_argument);
    return e.what();
  }
  return "";
}

TEST_CASE("cuda: memory that kernels don't reach is refused by name", "[cuda]") {
  cuda_device here(0);
  cuda_device there(1);
  auto q = here.make_queue();
  on_device<cuda_device, float> const rows(here, q, {1, 2, 3});
  std::vector<float> const on_host{1, 2, 3};
  CHECK(refusal(here, rows.data() + 1, alignof(float)).empty());
  CHECK(refusal(here, nullptr, 4).empty());
  CHECK(refusal(here, on_host.data(), 4) == "hidden: is host memory that GPU 0 doesn't reach");
  CHECK(refusal(there, rows.data(), 4) == "hidden: is memory of GPU 0, not of 1");
  CHECK(refusal(here, reinterpret_cast<char const*>(rows.data()) + 2, 4) ==
        "hidden: isn't aligned to its elements of 4 bytes");
}

TEST_CASE("cuda: a queue of another GPU is refused", "[cuda]") {
  cuda_device here(0);
  cuda_device there(1);
  auto q = there.make_queue();
  auto e = here.make_event();
  CHECK_THROWS_WITH(here.record(e, q), ContainsSubstring("a queue of another GPU"));
}

TEST_CASE("cuda: calls leave the current device as it was", "[cuda]") {
  cuda_device there(1);
  auto q = there.make_queue();
  on_device<cuda_device, float> const rows(there, q, {1, 2, 3});
  there.zero(q, rows.data(), 4);
  CHECK(rows.read() == std::vector<float>{0, 2, 3});
  CHECK(cuda::current_device() == 0);
}

TEST_CASE("cuda: memory that there isn't is bad_alloc, and the device goes on", "[cuda]") {
  cuda_device device;
  CHECK_THROWS_AS(device.allocate((std::numeric_limits<byte_count>::max)() / 2), std::bad_alloc);
  CHECK_THROWS_AS(device.allocate(-1), std::bad_alloc);
  check_seed(device, 1);
}

void wait_for(void* flag) {
  while (!*static_cast<std::atomic<bool>*>(flag)) std::this_thread::yield();
}

TEST_CASE("cuda: what a watch throws ends the host's waiting", "[cuda]") {
  cuda_device device;
  auto q = device.make_queue();
  auto reached = device.make_event();
  std::atomic<bool> go = false;
  REQUIRE(cudaLaunchHostFunc(q.stream(), wait_for, &go) == cudaSuccess);
  device.record(reached, q);
  int asked = 0;
  device.set_watch([&] {
    if (++asked == 3) throw error(errc::communication, "a peer has gone");
  });
  CHECK_THROWS_WITH(device.sync(reached), "a peer has gone");
  CHECK(asked == 3);
  go = true;
  device.set_watch([] {});
  CHECK_NOTHROW(device.sync(reached));
}

}  // namespace
