// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <llep/backends/eigen/kernel.hpp>
#include <span>
#include <vector>

// Eigen allocates by malloc, so counting operator new, as the dispatcher's tests do, misses it.
// The linker hands this program's calls of malloc to __wrap_malloc; those of operator new, which
// the dispatcher's tests have replaced, arrive as aligned_alloc.

namespace {
std::atomic<bool> watching{false};
std::atomic<std::int64_t> allocations{0};
void note() {
  if (watching) ++allocations;
}
}  // namespace

extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __wrap_malloc(std::size_t bytes);
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes);
void* __wrap_malloc(std::size_t bytes) {
  note();
  return __real_malloc(bytes);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  note();
  return __real_aligned_alloc(alignment, bytes);
}
}

namespace {

using namespace llep;

template <class Body>
std::int64_t allocations_in(Body body) {
  allocations = 0;
  watching = true;
  body();
  watching = false;
  return allocations;
}

/// Groups of many sizes, so that blocks are larger than what Eigen would take from the stack.
template <class Family>
std::int64_t allocations_of(Family const& family) {
  using T = typename Family::element;
  eigen::kernel<Family> kernel(family, {});
  std::vector<row_count> const rows{1, 300, 1100, 65};
  std::vector<T> const weights(static_cast<std::size_t>(family.block_elements()[0]));
  std::vector<T> const x(static_cast<std::size_t>(1466 * family.hidden));
  std::vector<T> y(x.size());
  std::vector<row_group<Family::blocks>> groups;
  row_count first = 0;
  for (row_count const n : rows) {
    groups.push_back({0, first, n, {}});
    groups.back().weights.fill(weights.data());  // all zero, and no block is larger
    first += n;
  }
  std::vector<T> grads(weights.size());
  std::vector<gradient_group<Family::blocks>> back;
  for (auto const& g : groups) {
    back.push_back({0, g.first, g.rows, g.weights, {}});
    back.back().grads.fill(grads.data());
  }
  auto const elements = [](byte_count bytes) {
    return static_cast<std::size_t>(bytes) / sizeof(T) + 1;
  };
  std::vector<T> saved(elements(1466 * kernel.saved_row_bytes()));
  std::vector<T> work(
      elements((std::max)(kernel.work_bytes(rows), kernel.backward_work_bytes(rows))));
  host_device::queue q;
  return allocations_in([&] {
    kernel.forward(q, groups, x.data(), y.data(), work.data());
    kernel.forward(q, groups, x.data(), y.data(), saved.data(), work.data());
    kernel.backward(q, back, x.data(), saved.data(), x.data(), y.data(), work.data());
    kernel.backward(q, back, x.data(), nullptr, x.data(), y.data(), work.data());
  });
}

TEST_CASE("eigen: forward and backward allocate nothing, nor does Eigen in them", "[eigen]") {
  CHECK(allocations_of(linear_expert<float>{400}) == 0);
  CHECK(allocations_of(linear_expert<double>{400}) == 0);
  CHECK(allocations_of(swiglu_expert<float>{400, 300}) == 0);
  CHECK(allocations_of(swiglu_expert<double>{400, 300}) == 0);
  CHECK(allocations_of(gptoss_expert<float>{400, 300}) == 0);
  CHECK(allocations_of(gptoss_expert<double>{400, 300}) == 0);
}

TEST_CASE("eigen: the count sees what a plain product of Eigen allocates", "[eigen]") {
  Eigen::MatrixXf const a = Eigen::MatrixXf::Zero(600, 600);
  Eigen::MatrixXf b(600, 600);
  CHECK(allocations_in([&] { b.noalias() = a * a; }) >= 2);  // its two blocks
  std::vector<int> some;
  CHECK(allocations_in([&] { some.resize(3); }) == 1);
}

}  // namespace
