// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <llep/testing/on_device.hpp>

#include "support/random_layer.hpp"

// Whole steps on CUDA devices: when the host waits, what asks for memory, and what bad use gets.

namespace {

using namespace llep;
using namespace llep::testing;
using cuda_device = cuda::device<>;
using kernel_type = cuda::kernel<swiglu_expert<float>>;
using list = on_device<cuda_device, float>;
using id_list = on_device<cuda_device, std::int32_t>;

constexpr std::int32_t ranks = 4;

random_layer<float> four_ranks() {
  random_layer<float> layer;
  layer.ranks = ranks;
  layer.experts = 10;
  layer.choices = 2;
  layer.tokens = {15, 0, 27, 9};
  layer.owner = contiguous_owners(layer.experts, ranks);
  std::mt19937_64 random(3);
  fill(layer, random);
  return layer;
}

/// A rank's part of the layer in device memory.
struct rank_part {
  std::int64_t tokens, hidden, choices;
  list x, gates, weights, gradients, out;
  id_list ids;
  kernel_type kernel;

  rank_part(random_layer<float> const& l, rank_id r, cuda_device& d, cuda::queue& q)
      : tokens(l.tokens[at(r)]),
        hidden(l.hidden),
        choices(l.choices),
        x(d, q, part(l.x, l.first_token(r), tokens, hidden)),
        gates(d, q, part(l.gates, l.first_token(r), tokens, choices)),
        weights(d, q, l.weights),
        gradients(d, q, std::vector<float>(l.weights.size())),
        out(d, q, std::vector<float>(at(tokens * hidden), 1e30F)),
        ids(d, q, part(l.ids, l.first_token(r), tokens, choices)),
        kernel({l.hidden, l.inner}, owned<float const>(l, r, weights.data()),
               owned<float>(l, r, gradients.data())) {}

  // Of the first `tokens`.
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
  static std::vector<std::array<T*, 3>> owned(random_layer<float> const& l, rank_id r, T* base) {
    std::vector<std::array<T*, 3>> blocks(at(l.experts));
    auto const each = l.hidden * l.inner;
    for (expert_id e = 0; e < l.experts; ++e)
      for (std::int64_t b = 0; b < 3 && l.owner[at(e)] == r; ++b)
        blocks[at(e)][at(b)] = base + (e * 3 + b) * each;
    return blocks;
  }
};

template <class Group>
using layer_of = dispatcher<least_loaded, Group, kernel_type>;

/// Runs body(group, q, part, moe) as each rank of `layer`.
template <class Body>
void on_each_rank(random_layer<float> const& layer, Body body,
                  least_loaded const& policy = {1.0, 1}) {
  emulated::run(
      ranks, [] { return cuda_device(); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto q = group.device().make_queue();
        rank_part part(layer, group.rank(), group.device(), q);
        layer_of<group_type> moe(q, group, layer.owner, policy);
        body(group, q, part, moe);
      });
}

/// A step of all tokens, with rows from `x`.
template <class Moe>
void forward_of(float const* x, Moe& moe, cuda::queue& q, rank_part& part) {
  moe.forward(q, part.kernel, {x, part.tokens, part.hidden}, part.chosen(), part.gate(),
              part.result());
}
template <class Moe>
void forward(Moe& moe, cuda::queue& q, rank_part& part) {
  forward_of(part.x.data(), moe, q, part);
}

/// All ranks' outputs, one after the other.
std::vector<float> outputs(random_layer<float> const& layer, least_loaded const& policy) {
  std::vector<std::vector<float>> by_rank(ranks);
  on_each_rank(
      layer,
      [&](auto& group, auto& q, rank_part& part, auto& moe) {
        forward(moe, q, part);
        by_rank[at(group.rank())] = part.out.read();
      },
      policy);
  std::vector<float> all;
  for (auto const& out : by_rank) all.insert(all.end(), out.begin(), out.end());
  return all;
}

TEST_CASE("cuda steps: lending weights changes no bit where a row's product is its own", "[cuda]") {
  auto const layer = four_ranks();
  auto const lent = outputs(layer, {1.0, 1});
  CHECK(lent == outputs(layer, {1000.0, 1}));  // a capacity that nobody reaches
  auto const expected = layer.dense();
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK_THAT(lent[i], Catch::Matchers::WithinAbs(expected[i], 1e-4));
}

TEST_CASE("cuda steps: the host waits once a steady step, and nothing asks for memory", "[cuda]") {
  auto const layer = four_ranks();
  std::vector<std::vector<cuda_on_host::call_counts>> counted(ranks);
  on_each_rank(layer, [&](auto& group, auto& q, rank_part& part, auto& moe) {
    auto const train = [&] {
      auto record = moe.forward(q, part.kernel, part.rows(), part.chosen(), part.gate(),
                                part.result(), training{});
      cuda_on_host::reset_thread_counts();
      list const grad_x(group.device(), q, std::vector<float>(at(part.tokens * part.hidden)));
      list const grad_gates(group.device(), q, std::vector<float>(at(part.tokens * part.choices)));
      cuda_on_host::reset_thread_counts();
      moe.backward(q, part.kernel, record, matrix_ref<float const>(part.result()),
                   {grad_x.data(), part.tokens, part.hidden},
                   {grad_gates.data(), part.tokens, part.choices});
      auto const counts = cuda_on_host::thread_counts();
      auto reached = group.device().make_event();  // before the gradients' memory goes
      group.device().record(reached, q);
      group.device().sync(reached);
      return counts;
    };
    for (int i = 0; i < 3; ++i) {
      forward(moe, q, part);
      static_cast<void>(train());
    }
    for (int i = 0; i < 3; ++i) {
      cuda_on_host::reset_thread_counts();
      forward(moe, q, part);
      counted[at(group.rank())].push_back(cuda_on_host::thread_counts());
      counted[at(group.rank())].push_back(train());
    }
  });
  for (auto const& of_rank : counted)
    for (auto const& c : of_rank) {
      CHECK(c.host_syncs() == 1);
      CHECK(c.implicit_syncs == 0);
      CHECK(c.pageable_copies == 0);
      CHECK(c.mallocs + c.async_mallocs + c.frees == 0);
    }
}

/// What each rank's second step throws after `spoil(group, part)` on rank 2; the third must be
/// right again.
template <class Spoil>
std::vector<std::string> refused(Spoil spoil) {
  auto const layer = four_ranks();
  std::vector<std::string> thrown(ranks);
  std::vector<std::vector<float>> out(ranks), again(ranks);
  on_each_rank(layer, [&](auto& group, auto& q, rank_part& part, auto& moe) {
    auto const r = at(group.rank());
    forward(moe, q, part);
    out[r] = part.out.read();
    try {
      if (r == 2)
        spoil(q, part, moe);
      else
        forward(moe, q, part);
    } catch (error const& e) {
      thrown[r] = e.what();
    }
    forward(moe, q, part);
    again[r] = part.out.read();
  });
  CHECK(out == again);
  return thrown;
}

TEST_CASE("cuda steps: a host pointer is the same error on every rank, and the group goes on",
          "[cuda]") {
  std::vector<float> const on_host(1000);
  auto const texts = refused(
      [&](auto& q, rank_part& part, auto& moe) { forward_of(on_host.data(), moe, q, part); });
  CHECK(texts ==
        std::vector<std::string>(ranks, "rank 2: hidden: is host memory that GPU 0 doesn't reach"));
}

TEST_CASE("cuda steps: rows between elements are the same error on every rank", "[cuda]") {
  auto const texts = refused([&](auto& q, rank_part& part, auto& moe) {
    forward_of(reinterpret_cast<float const*>(reinterpret_cast<char const*>(part.x.data()) + 2),
               moe, q, part);
  });
  CHECK(texts == std::vector<std::string>(
                     ranks, "rank 2: hidden: isn't aligned to its elements of 4 bytes"));
}

TEST_CASE("cuda steps: a rank without memory is an error on every rank, and the group goes on",
          "[cuda]") {
  auto const layer = four_ranks();
  std::vector<std::string> thrown(ranks);
  on_each_rank(layer, [&](auto& group, auto& q, rank_part& part, auto& moe) {
    auto const all = std::exchange(part.tokens, (std::min)(part.tokens, std::int64_t{3}));
    forward(moe, q, part);
    part.tokens = all;
    if (group.rank() == 2)
      cuda_on_host::fail_call_here(1, cudaErrorMemoryAllocation, "cudaMallocAsync");
    try {
      forward(moe, q, part);  // the workspace has to grow
    } catch (error const& e) {
      thrown[at(group.rank())] = e.code() == errc::device ? e.what() : "another code";
    }
    forward(moe, q, part);
  });
  CHECK(!cuda_on_host::stop_failing());
  for (auto const& text : thrown) {
    CHECK_THAT(text, Catch::Matchers::StartsWith("rank 2: a workspace of "));
    CHECK_THAT(text, Catch::Matchers::EndsWith(" bytes: out of memory"));
  }
}

}  // namespace
