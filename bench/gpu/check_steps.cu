// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>

#include "arguments.hpp"
#include "report.hpp"
#include "seeds.hpp"
#include "support/random_layer.hpp"

// Whole steps of four ranks on one GPU: how often the host waits, what is allocated, and what bad
// use gets.

namespace {

using namespace llep;
using namespace llep::bench;
using testing::at;

constexpr std::int32_t ranks = 4;

/// What a device was asked for since `reset`.
struct requests {
  std::atomic<int> waits = 0;
  std::atomic<int> allocations = 0;
};

/// Counts what a step asks of a rank's device.
class counting_device : public cuda::device<> {
 public:
  explicit counting_device(std::shared_ptr<requests> counts) : counts_(std::move(counts)) {}

  void sync(cuda::event& e) {
    ++counts_->waits;
    cuda::device<>::sync(e);
  }
  [[nodiscard]] void* allocate(byte_count bytes) {
    ++counts_->allocations;
    return cuda::device<>::allocate(bytes);
  }
  [[nodiscard]] void* allocate_staging(byte_count bytes) {
    ++counts_->allocations;
    return cuda::device<>::allocate_staging(bytes);
  }
  [[nodiscard]] requests& counts() const { return *counts_; }

 private:
  std::shared_ptr<requests> counts_;
};
static_assert(trains_rows<counting_device, float, float, float>);

/// The kernel, said to be of that device.
template <class Family>
class counted_kernel : public cuda::kernel<Family> {
 public:
  using device_type = counting_device;
  using cuda::kernel<Family>::kernel;
};
using kernel_type = counted_kernel<swiglu_expert<float>>;
static_assert(trainable_kernel<kernel_type>);

template <class T>
using list = testing::on_device<counting_device, T>;

testing::random_layer<float> four_ranks(std::uint64_t seed) {
  testing::random_layer<float> layer;
  layer.ranks = ranks;
  layer.experts = 10;
  layer.choices = 2;
  layer.hidden = 24;
  layer.inner = 16;
  layer.tokens = {15, 0, 27, 9};
  layer.owner = contiguous_owners(layer.experts, ranks);
  std::mt19937_64 random(seed);
  fill(layer, random);
  for (float& w : layer.weights) w *= 0.2F;
  return layer;
}

/// A rank's part of the layer in device memory.
struct rank_part {
  std::int64_t tokens, hidden, choices;
  list<float> x, gates, weights, gradients, out;
  list<std::int32_t> ids;
  kernel_type kernel;

  rank_part(testing::random_layer<float> const& l, rank_id r, counting_device& d, cuda::queue& q)
      : tokens(l.tokens[at(r)]),
        hidden(l.hidden),
        choices(l.choices),
        x(d, q, part(l.x, l.first_token(r), tokens, hidden)),
        gates(d, q, part(l.gates, l.first_token(r), tokens, choices)),
        weights(d, q, l.weights),
        gradients(d, q, std::vector<float>(l.weights.size())),
        out(d, q, std::vector<float>(at(tokens * hidden), std::nanf(""))),
        ids(d, q, part(l.ids, l.first_token(r), tokens, choices)),
        kernel({l.hidden, l.inner}, owned<float const>(l, r, weights.data()),
               owned<float>(l, r, gradients.data())) {}

  [[nodiscard]] matrix_ref<float const> rows() const { return {x.data(), tokens, hidden}; }
  [[nodiscard]] matrix_ref<std::int32_t const> chosen() const {
    return {ids.data(), tokens, choices};
  }
  [[nodiscard]] matrix_ref<float const> gate() const { return {gates.data(), tokens, choices}; }
  [[nodiscard]] matrix_ref<float> result() const { return {out.data(), tokens, hidden}; }

 private:
  template <class T>
  static std::vector<T> part(std::vector<T> const& all, std::int64_t first, std::int64_t n,
                             std::int64_t cols) {
    return {all.begin() + first * cols, all.begin() + (first + n) * cols};
  }
  template <class T>
  static std::vector<std::array<T*, 3>> owned(testing::random_layer<float> const& l, rank_id r,
                                              T* base) {
    std::vector<std::array<T*, 3>> blocks(at(l.experts));
    auto const each = l.hidden * l.inner;
    for (expert_id e = 0; e < l.experts; ++e)
      for (std::int64_t b = 0; b < 3 && l.owner[at(e)] == r; ++b)
        blocks[at(e)][at(b)] = base + (e * 3 + b) * each;
    return blocks;
  }
};

/// Runs body(group, q, part, dispatcher) as each rank.
template <class Body>
void on_each_rank(testing::random_layer<float> const& layer, Body body) {
  emulated::run(
      ranks, [] { return counting_device(std::make_shared<requests>()); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto q = group.device().make_queue();
        rank_part part(layer, group.rank(), group.device(), q);
        dispatcher<least_loaded, group_type, kernel_type> moe(q, group, layer.owner,
                                                              least_loaded{1.0, 1});
        body(group, q, part, moe);
      });
}

template <class Moe>
void forward(Moe& moe, cuda::queue& q, rank_part& part) {
  moe.forward(q, part.kernel, part.rows(), part.chosen(), part.gate(), part.result());
}

void outputs_are_dense(std::uint64_t seed) {
  auto const layer = four_ranks(seed);
  auto const expected = layer.dense();
  double const scale = testing::scale_of(expected);
  testing::witness const seen("steps", seed);
  on_each_rank(layer, [&](auto& group, auto& q, rank_part& part, auto& moe) {
    forward(moe, q, part);
    auto const first = expected.begin() + layer.first_token(group.rank()) * layer.hidden;
    seen.close(part.out.read(), std::vector<float>(first, first + part.tokens * layer.hidden), 5e-6,
               "forward makes the dense output", scale);
  });
}

/// Free memory of the GPU.
std::size_t free_now() {
  std::size_t free = 0;
  std::size_t total = 0;
  cuda::check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

/// What is asked of a rank's device while a step is put on its queue.
struct step_cost {
  int waits = 0;
  int allocations = 0;

  template <class Step>
  step_cost(counting_device& device, Step step) {
    auto& counts = device.counts();
    counts.waits = 0;
    counts.allocations = 0;
    step();
    waits = counts.waits;
    allocations = counts.allocations;
  }
  void holds(testing::witness const& seen, std::string const& what) const {
    seen.equals(waits, 1, what + ": the host waits once");
    seen.equals(allocations, 0, what + ": nothing is allocated");
  }
};

struct free_memory {
  std::size_t before = 0;
  std::size_t after = 0;
};

/// Steps forward and backward; all but the first `warm` ones are steady. What is free around those.
template <class Group, class Moe>
free_memory train(Group& group, cuda::queue& q, rank_part& part, Moe& moe,
                  testing::witness const& seen) {
  auto& device = group.device();
  list<float> const by_x(device, q, std::vector<float>(at(part.tokens * part.hidden)));
  list<float> const by_gates(device, q, std::vector<float>(at(part.tokens * part.choices)));
  free_memory seen_free;
  constexpr int warm = 3;
  for (int i = 0; i < 2 * warm; ++i) {
    if (i == warm) seen_free.before = free_now();
    step_cost const forth(device, [&] { forward(moe, q, part); });
    auto record = moe.forward(q, part.kernel, part.rows(), part.chosen(), part.gate(),
                              part.result(), training{});
    step_cost const back(device, [&] {
      moe.backward(q, part.kernel, record, matrix_ref<float const>(part.result()),
                   {by_x.data(), part.tokens, part.hidden},
                   {by_gates.data(), part.tokens, part.choices});
    });
    if (i < warm) continue;
    forth.holds(seen, "forward");
    back.holds(seen, "backward");
  }
  static_cast<void>(part.out.read());  // the queue is done before memory goes
  seen_free.after = free_now();
  return seen_free;
}

/// One wait a steady step, and no memory for anybody.
void steady_steps(std::uint64_t seed) {
  testing::witness const seen("steps", seed);
  free_memory of_rank_0;
  on_each_rank(four_ranks(seed), [&](auto& group, auto& q, rank_part& part, auto& moe) {
    auto const free = train(group, q, part, moe, seen);
    if (group.rank() == 0) of_rank_0 = free;
  });
  // others may have given memory back by rank 0's last look; none has taken any
  seen.holds(of_rank_0.after >= of_rank_0.before, "steady steps take no memory, nor do libraries");
}

void says(std::string const& text, std::string const& first, std::string const& words,
          testing::witness const& seen) {
  seen.equals(text, first, "every rank throws the same");
  if (text.find(words) == std::string::npos)
    throw std::runtime_error("expected '" + words + "', got '" + text + "'");
}

/// Rank 2's second step is spoilt; all must refuse it with the same words, and go on.
template <class Spoil>
void refused_alike(std::uint64_t seed, std::string const& words, Spoil spoil) {
  testing::witness const seen("bad use", seed);
  std::vector<std::string> thrown(ranks);
  std::vector<std::vector<float>> before(ranks), after(ranks);
  on_each_rank(four_ranks(seed), [&](auto& group, auto& q, rank_part& part, auto& moe) {
    auto const r = at(group.rank());
    forward(moe, q, part);
    before[r] = part.out.read();
    try {
      r == 2 ? spoil(q, part, moe) : forward(moe, q, part);
    } catch (error const& e) {
      thrown[r] = e.what();
    }
    forward(moe, q, part);
    after[r] = part.out.read();
  });
  for (std::string const& text : thrown) says(text, thrown[0], words, seen);
  for (std::size_t r = 0; r < at(ranks); ++r)
    seen.same(after[r], before[r], "the group goes on as before");
}

/// A layer whose workspace no card has: H is 2^26, and nothing but pointers is looked at.
void larger_than_the_card(std::uint64_t seed) {
  constexpr std::int64_t hidden = std::int64_t{1} << 26U;
  constexpr std::int64_t tokens = 1024;
  using wide_kernel = counted_kernel<linear_expert<float>>;
  std::vector<std::string> thrown(ranks);
  emulated::run(
      ranks, [] { return counting_device(std::make_shared<requests>()); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto q = group.device().make_queue();
        std::vector<rank_id> const owner{0, 1, 2, 3};
        // ids, gates, rows: these last, as they would reach far, and nothing may overlap them
        std::vector<float> numbers(3 * tokens, 1.0F);
        std::fill_n(numbers.begin(), tokens, std::bit_cast<float>(std::int32_t{1}));
        list<float> const memory(group.device(), q, numbers);
        auto const* const ids = reinterpret_cast<std::int32_t const*>(memory.data());
        float const* const gates = memory.data() + tokens;
        float* const rows = memory.data() + 2 * tokens;
        dispatcher<standard_ep, group_type, wide_kernel> moe(q, group, owner);
        std::vector<wide_kernel::weight_blocks> const weights(4, {rows});
        wide_kernel wide({hidden}, weights);
        wide_kernel narrow({1}, weights);
        auto const step = [&](wide_kernel& kernel, std::int64_t t, std::int64_t h) {
          moe.forward(q, kernel, {rows, t, h}, matrix_ref<std::int32_t const>(ids, t, 1),
                      matrix_ref<float const>(gates, t, 1), {rows, t, h});
        };
        try {
          step(wide, tokens, hidden);
        } catch (error const& e) {
          thrown[at(group.rank())] =
              (e.code() == errc::device ? "" : "another code: ") + std::string(e.what());
        }
        step(narrow, 8, 1);  // on it goes
        static_cast<void>(memory.read());
      });
  testing::witness const seen("out of memory", seed);
  for (std::string const& text : thrown) says(text, thrown[0], "out of memory", seen);
}

void check_bad_use(report& to) {
  constexpr std::uint64_t seed = 3;
  std::vector<float> const on_host(4096);
  to.check("bad use: a host pointer", [&] {
    refused_alike(seed, "is host memory", [&](auto& q, rank_part& part, auto& moe) {
      moe.forward(q, part.kernel, {on_host.data(), part.tokens, part.hidden}, part.chosen(),
                  part.gate(), part.result());
    });
  });
  to.check("bad use: rows between elements", [&] {
    refused_alike(seed, "isn't aligned", [&](auto& q, rank_part& part, auto& moe) {
      auto const* const odd =
          reinterpret_cast<float const*>(reinterpret_cast<char const*>(part.x.data()) + 2);
      auto const n = part.tokens - 1;
      moe.forward(q, part.kernel, {odd, n, part.hidden},
                  matrix_ref<std::int32_t const>(part.ids.data(), n, part.choices),
                  matrix_ref<float const>(part.gates.data(), n, part.choices),
                  {part.out.data(), n, part.hidden});
    });
  });
  to.check("bad use: rows of a wrong size", [&] {
    refused_alike(seed, "rank 2", [&](auto& q, rank_part& part, auto& moe) {
      moe.forward(q, part.kernel, {part.x.data(), part.tokens, part.hidden - 1}, part.chosen(),
                  part.gate(), part.result());
    });
  });
  to.check("bad use: a bad expert id", [&] {
    refused_alike(seed, "rank 2", [&](auto& q, rank_part& part, auto& moe) {
      auto const* const gates_as_ids = reinterpret_cast<std::int32_t const*>(part.gates.data());
      moe.forward(q, part.kernel, part.rows(),
                  matrix_ref<std::int32_t const>(gates_as_ids, part.tokens, part.choices),
                  part.gate(), part.result());
    });
  });
  to.check("a workspace larger than the card", [&] { larger_than_the_card(seed); });
}

void check_all(arguments const& given, report& to) {
  check_seeds(given, to, "steps: the dense output", 20, outputs_are_dense);
  check_seeds(given, to, "steps: one wait, no allocation", 3, steady_steps);
  check_bad_use(to);
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
