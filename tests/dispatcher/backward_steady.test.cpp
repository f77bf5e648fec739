// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <llep/dispatcher.hpp>
#include <type_traits>

#include "support/allocations.hpp"
#include "support/random_gradients.hpp"
#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using emulated::scheduling;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

random_layer<float> four_ranks() {
  random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 12;
  layer.choices = 3;
  layer.tokens = {20, 0, 31, 17};
  layer.owner = contiguous_owners(12, 4);
  std::mt19937_64 random(5);
  fill(layer, random);
  return layer;
}

/// Steps that keep three records at a time, one of which is dropped in the end, and a step for
/// inference in between. Counts what the last ten allocate.
template <placement Placement, class Order, class Policy>
std::int64_t allocations_in(Policy const& policy, training const& how,
                            emulated::options const& options) {
  auto const layer = four_ranks();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<float> result(layer);
  std::vector<float> out(layer.x.size());
  allocations = 0;
  emulated::run<Placement>(
      4,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const mine = all_tokens(layer, group.rank());
        token_range const fewer{mine.first, mine.count / 2};
        auto kernel = training_kernel<swiglu_loops<float>>(layer, group.rank(), result.weights);
        host_device::queue q;
        dispatcher<Policy, group_type, swiglu_loops<float>, Order> moe(q, group, layer.owner,
                                                                       policy);
        auto const once = [&] {
          auto one = train(layer, mine, moe, q, kernel, result, how);
          auto two = train(layer, fewer, moe, q, kernel, result, how);
          auto const dropped = train(layer, mine, moe, q, kernel, result, how);
          step(layer, group.rank(), moe, q, kernel, out);
          go_back(layer, mine, moe, q, kernel, one, grad_out, result);
          go_back(layer, fewer, moe, q, kernel, two, grad_out, result);
        };
        std::int64_t word = 0;
        std::int64_t all[4] = {};
        for (int i = 0; i < 4; ++i) once();  // until every piece of memory has served the largest
        group.all_gather(q, &word, all, 1);
        watching = true;
        for (int i = 0; i < 10; ++i) once();
        group.all_gather(q, &word, all, 1);
        watching = false;
      },
      options);
  return allocations;
}

TEST_CASE("steady state: training steps with three records alive allocate nothing", "[backward]") {
  auto const ways = all_trainings();
  for (std::uint64_t seed = 0; seed < 16; seed += sanitized ? 5 : 1) {
    CAPTURE(seed);
    auto const& how = ways[seed % 8];
    auto const options = seed < 8 ? emulated::options{scheduling::turns, seed}
                                  : emulated::options{scheduling::concurrent};
    CHECK(allocations_in<placement::segments, global_order>(moves_most, how, options) == 0);
    CHECK(allocations_in<placement::packed, local_first>(moves_most, how, options) == 0);
    CHECK(allocations_in<placement::packed, global_order>(spread_everywhere{}, how, options) == 0);
  }
}

TEST_CASE("steady state: a thousand training steps allocate nothing and end as one", "[backward]") {
  // What is lost is a leak checker's to see; what is held, and grows, is counted.
  auto const layer = four_ranks();
  auto const grad_out = random_grad_out(layer, 1);
  auto const ways = all_trainings();
  gradients<float> result(layer);
  allocations = 0;
  emulated::run<placement::packed>(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<swiglu_loops<float>>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<least_loaded, group_type, swiglu_loops<float>> moe(q, group, layer.owner,
                                                                  moves_most);
    training_record<host_device, float> last;  // is dropped when the next one takes its place
    std::int64_t word = 0;
    std::int64_t all[4] = {};
    for (std::size_t i = 0; i < 1000; ++i) {
      if (i == 50) {  // by now every piece of memory has served the largest step
        group.all_gather(q, &word, all, 1);
        watching = true;
      }
      auto record = train(layer, mine, moe, q, kernel, result, ways[i % 8]);
      if (i % 3 == 0)
        last = std::move(record);
      else
        go_back(layer, mine, moe, q, kernel, record, grad_out, result);
    }
    group.all_gather(q, &word, all, 1);
    watching = false;
  });
  CHECK(allocations == 0);
  auto const first =
      train_layer<placement::packed, global_order>(layer, grad_out, moves_most, {training{}})[0];
  CHECK(result.out == first.out);
  CHECK(result.hidden == first.hidden);
  CHECK(result.gates == first.gates);
}

// ---- streams ------------------------------------------------------------------------------------

/// Training steps on devices with streams: two records at a time, on queues in turns.
template <placement Placement, class Order, class Policy>
gradients<double> train_on_streams(random_layer<double> const& layer,
                                   std::vector<double> const& grad_out, Policy const& policy,
                                   training const& how) {
  using kernel_type = stream_kernel<swiglu_expert<double>>;
  gradients<double> result(layer);
  gradients<double> again(layer);
  auto const ends = emulated::try_run<Placement>(
      layer.ranks, [] { return stream_device(); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const mine = all_tokens(layer, group.rank());
        auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
        auto other = training_kernel<kernel_type>(layer, group.rank(), again.weights);
        stream_device::queue q;  // dies first: its work may use all of the above
        stream_device::queue q2;
        dispatcher<Policy, group_type, kernel_type, Order> moe(q, group, layer.owner, policy);
        auto one = train(layer, mine, moe, q, kernel, result, how);
        auto two = train(layer, mine, moe, q2, other, again, how);
        {
          auto const dropped = train(layer, mine, moe, q, kernel, result, how);
        }
        go_back(layer, mine, moe, q2, kernel, one, grad_out, result);
        go_back(layer, mine, moe, q, other, two, grad_out, again);
        auto done = group.device().make_event();
        group.device().record(done, q);
        group.device().sync(done);
      });
  for (auto const& text : texts(ends)) CHECK(text.empty());
  CHECK(again == result);
  return result;
}

TEST_CASE("backward: on a device with streams of its own every bit is the same", "[backward]") {
  auto const ways = all_trainings();
  for (std::uint64_t seed = 300; seed < 300 + cases(24); ++seed) {
    CAPTURE(seed);
    auto const layer = make_layer<double>(seed);
    auto const grad_out = random_grad_out(layer, seed);
    auto const& how = ways[seed % 8];
    auto const check = [&](auto order, auto const& policy) {
      using order_type = decltype(order);
      auto const on_host =
          train_layer<placement::segments, order_type>(layer, grad_out, policy, {how})[0];
      CHECK(train_on_streams<placement::segments, order_type>(layer, grad_out, policy, how) ==
            on_host);
      CHECK(train_on_streams<placement::packed, order_type>(layer, grad_out, policy, how) ==
            on_host);
    };
    check(global_order{}, moves_most);
    check(local_first{}, spread_everywhere{});
  }
}

}  // namespace
