// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>

#include "cuda/kernel_run.hpp"

// How the kernel over cuBLAS puts its products on the device: in one call or many, on which
// streams, and what the host does meanwhile.

namespace {

using namespace llep;
using namespace llep::testing;
using cuda::bfloat16;
using cuda::blas_options;
using cuda_device = cuda::device<>;
using swiglu = swiglu_expert<float>;
template <class Row>
using kernel = cuda::kernel<swiglu, Row>;
using shared_streams = std::shared_ptr<cuda::blas_streams<>>;

constexpr row_count always_grouped = 1000000;

/// Three groups with 3 rows on average.
template <class Row>
struct three_groups {
  seeded random{1};
  expert_case<swiglu, Row> of{random, {16, 8}, {1, 6, 2}};
  cuda_device device;
  cuda_device::queue q = device.make_queue();
  shared_streams streams = std::make_shared<cuda::blas_streams<>>(2);

  case_results<Row, float> run(blas_options const& how, std::size_t lead = 0) {
    kernel<Row> made(of.family, {}, {}, how, streams);
    return case_on_device(device, q, of, lead).run(made);
  }
  /// Calls of cuBLAS' products.
  std::uint64_t calls(blas_options const& how, std::size_t lead = 0) {
    cuda_on_host::reset_thread_counts();
    static_cast<void>(run(how, lead));
    return cuda_on_host::thread_counts().gemms;
  }
};

// Of a group forward: 2 products with the input's blocks, 1 with the other. And backward: the first
// two again, 1 back, 3 gradients of blocks, 2 back.
constexpr std::uint64_t one_by_one = 3 * (3 + 8);
// Products that may run at once in one call.
constexpr std::uint64_t in_groups = 2 + 6;

TEST_CASE("products: groups with few rows on average go in one call", "[cuda]") {
  three_groups<float> on;
  CHECK(on.calls({.grouped_below_rows = 0}) == one_by_one);
  CHECK(on.calls({.grouped_below_rows = 3}) == one_by_one);
  CHECK(on.calls({.grouped_below_rows = 4}) == in_groups);
  CHECK(on.calls({}) == in_groups);
  CHECK(largest_gap(on.run({.grouped_below_rows = 0}), on.run({})) < 1e-6);
  CHECK(largest_gap(on.run({}), exact_results(on.of)) < 1e-6);
}

TEST_CASE("products: what cuBLAS doesn't take in one call goes one by one", "[cuda]") {
  three_groups<float> wide;
  CHECK(wide.calls({}, 1) == in_groups);
  CHECK(wide.calls({.tf32 = true}) == in_groups);
  CHECK(wide.calls({.tf32 = true}, 1) == one_by_one);  // addresses that 16 bytes don't divide
  three_groups<bfloat16> narrow;
  constexpr std::uint64_t gradients_one_by_one = 2 + 4 + 3 * 3;  // they are float
  CHECK(narrow.calls({}) == gradients_one_by_one);
  CHECK(narrow.calls({}, 1) == one_by_one);
  CHECK(largest_gap(narrow.run({}, 1), narrow.run({})) < 0x1p-7);
}

TEST_CASE("products: a single group needs no grouped call", "[cuda]") {
  seeded random(2);
  expert_case<swiglu, float> const of(random, {16, 8}, {5});
  cuda_device device;
  auto q = device.make_queue();
  kernel<float> alone(of.family, {}, {}, {.grouped_below_rows = always_grouped});
  case_on_device on(device, q, of);
  cuda_on_host::reset_thread_counts();
  auto const got = on.run(alone);
  CHECK(cuda_on_host::thread_counts().gemms == one_by_one / 3);
  CHECK(largest_gap(got, exact_results(of)) < 1e-6);
}

TEST_CASE("products: more groups than a launch or an upload takes, in one call", "[cuda]") {
  seeded random(3);
  std::vector<row_count> rows(200);
  for (row_count& n : rows) n = random.between(1, 3);
  expert_case<swiglu, float> const of(random, {3, 1}, rows);
  cuda_device device;
  auto q = device.make_queue();
  kernel<float> many(of.family, {});
  case_on_device on(device, q, of);
  cuda_on_host::reset_thread_counts();
  auto const got = on.run(many);
  CHECK(cuda_on_host::thread_counts().gemms == in_groups);
  CHECK(largest_gap(got, exact_results(of)) < 1e-6);
}

struct delayed_streams {
  delayed_streams() { cuda_on_host::knobs().max_delay_us = 300; }
  delayed_streams(delayed_streams const&) = delete;
  delayed_streams& operator=(delayed_streams const&) = delete;
  ~delayed_streams() { cuda_on_host::knobs().max_delay_us = 0; }
};

TEST_CASE("products: the number of streams changes no bit, whatever their delays", "[cuda]") {
  three_groups<float> on;
  for (row_count const below : {row_count{0}, always_grouped}) {
    auto const expected = on.run({.grouped_below_rows = below});
    delayed_streams const late;
    for (int const count : {1, 2, 5}) {
      CAPTURE(below, count);
      kernel<float> own(on.of.family, {}, {}, {count, below});
      CHECK(case_on_device(on.device, on.q, on.of).run(own).same_bits(expected));
    }
  }
}

/// A call of forward that doesn't wait for it.
template <class Row>
struct pending_forward {
  expert_case<swiglu, Row> const& of;
  cuda_device& device;
  cuda_device::queue& q;
  std::vector<on_device<cuda_device, Row>> weights;
  std::vector<row_group<3>> groups;
  on_device<cuda_device, Row> x{device, q, of.x};
  on_device<cuda_device, Row> y{device, q, std::vector<Row>(of.x.size(), Row(-1.0F))};
  on_device<cuda_device, std::byte> work;

  pending_forward(expert_case<swiglu, Row> const& given, cuda_device& d, cuda_device::queue& queue,
                  kernel<Row> const& k)
      : of(given), device(d), q(queue), work(d, queue, std::vector<std::byte>(work_bytes(k))) {
    for (auto group : of.groups) {
      for (std::size_t b = 0; b < 3; ++b) {
        weights.emplace_back(device, q, of.weights[at(group.expert)][b]);
        group.weights[b] = weights.back().data();
      }
      groups.push_back(group);
    }
  }
  void put(kernel<Row>& k) { k.forward(q, groups, x.data(), y.data(), work.data()); }

 private:
  std::size_t work_bytes(kernel<Row> const& k) const {
    std::vector<row_count> rows;
    for (auto const& group : of.groups) rows.push_back(group.rows);
    return at(k.work_bytes(rows));
  }
};

TEST_CASE("products: kernels and queues may share streams, one call after the other", "[cuda]") {
  three_groups<float> on;
  seeded random(4);
  expert_case<swiglu, float> const other(random, {5, 7}, {4, 4, 9, 1});
  auto q = on.device.make_queue();
  kernel<float> first(on.of.family, {}, {}, {}, on.streams);
  kernel<float> second(other.family, {}, {}, {.grouped_below_rows = 0}, on.streams);
  pending_forward<float> one(on.of, on.device, on.q, first);
  pending_forward<float> two(other, on.device, q, second);
  delayed_streams const late;
  for (int i = 0; i < 5; ++i) {
    one.put(first);
    two.put(second);
  }
  CHECK(largest_gap(one.y.read(), exact_results(on.of).y) < 1e-6);
  CHECK(largest_gap(two.y.read(), exact_results(other).y) < 1e-6);
}

TEST_CASE("products: the host waits for nothing and allocates nothing", "[cuda]") {
  three_groups<float> on;
  for (row_count const below : {row_count{0}, always_grouped}) {
    kernel<float> k(on.of.family, {}, {}, {.grouped_below_rows = below}, on.streams);
    pending_forward<float> call(on.of, on.device, on.q, k);
    call.put(k);
    cuda_on_host::reset_thread_counts();
    for (int i = 0; i < 20; ++i) call.put(k);
    auto const counted = cuda_on_host::thread_counts();
    CHECK(counted.host_syncs() == 0);
    CHECK(counted.queries == 0);
    CHECK(counted.mallocs + counted.async_mallocs + counted.frees == 0);
    CHECK(largest_gap(call.y.read(), exact_results(on.of).y) < 1e-6);
  }
}

TEST_CASE("products: a captured call may be repeated, whatever was computed in between", "[cuda]") {
  three_groups<float> on;
  for (row_count const below : {row_count{0}, always_grouped}) {
    kernel<float> k(on.of.family, {}, {}, {.grouped_below_rows = below}, on.streams);
    pending_forward<float> call(on.of, on.device, on.q, k);
    pending_forward<float> other(on.of, on.device, on.q, k);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t repeated = nullptr;
    REQUIRE(cudaStreamBeginCapture(on.q.stream(), cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    call.put(k);
    REQUIRE(cudaStreamEndCapture(on.q.stream(), &graph) == cudaSuccess);
    REQUIRE(cudaGraphInstantiate(&repeated, graph, 0) == cudaSuccess);
    for (int i = 0; i < 3; ++i) {
      other.put(k);
      on.device.zero(on.q, call.y.data(), call.y.bytes());
      REQUIRE(cudaGraphLaunch(repeated, on.q.stream()) == cudaSuccess);
      auto const y = call.y.read();
      CHECK(std::count(y.begin(), y.end(), 0.0F) == 3 * on.of.family.hidden);  // in no group
      auto const written = other.y.read();
      for (std::size_t j = 0; j < y.size(); ++j) CHECK((y[j] == 0 || y[j] == written[j]));
    }
    CHECK(cudaGraphExecDestroy(repeated) == cudaSuccess);
    CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  }
}

TEST_CASE("products: one that fails is reported, and the next call is none the worse", "[cuda]") {
  three_groups<float> on;
  for (row_count const below : {row_count{0}, always_grouped}) {
    blas_options const how{.grouped_below_rows = below};
    char const* const name = below == 0 ? "cublasGemmEx" : "cublasGemmGroupedBatchedEx";
    cuda_on_host::fail_call_here(2, cudaErrorLaunchFailure, name);
    try {
      static_cast<void>(on.run(how));
      FAIL("it was to fail");
    } catch (error const& e) {
      CHECK(e.code() == errc::device);
      CHECK(e.native_status() == CUBLAS_STATUS_EXECUTION_FAILED);
      CHECK(std::string(e.what()).find(name) != std::string::npos);
    }
    CHECK_FALSE(cuda_on_host::stop_failing());
    CHECK(largest_gap(on.run(how), exact_results(on.of)) < 1e-6);
  }
}

}  // namespace
