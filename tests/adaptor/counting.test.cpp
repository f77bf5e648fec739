// SPDX-License-Identifier: Apache-2.0
#include <llep/adaptor/counting.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <llep/agreement.hpp>
#include <llep/testing/communicator.hpp>

#include "support/allocations.hpp"
#include "support/archetypes.hpp"
#include "support/predicted_traffic.hpp"
#include "support/random_gradients.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::options;
using emulated::placement;
using emulated::scheduling;

static_assert(communicator<llep::counting<communicator_archetype<>>>);
static_assert(communicator<llep::counting<emulated::communicator<host_device>>>);

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

// ---- what went ----------------------------------------------------------------------------------

struct counted {
  traffic_table sent, received;  // by all ranks; rank r writes sent[r] and received[.][r]
  std::vector<gather_traffic> gathered;

  explicit counted(traffic_table const& nothing)
      : sent(nothing), received(nothing), gathered(nothing.size()) {}

  template <class Group>
  void take(Group& group) {
    auto const me = at(group.rank());
    for (rank_id peer = 0; peer < group.size(); ++peer)
      for (std::size_t on = 0; on < 2; ++on) {
        sent[me][at(peer)][on] = group.sent(peer, static_cast<lane>(on));
        received[at(peer)][me][on] = group.received(peer, static_cast<lane>(on));
      }
    gathered[me] = group.gathered();
    group.reset();
  }
};

constexpr std::int64_t header_words = sizeof(announcement) / sizeof(std::int64_t);

// By what was called: the constructor, a forward, the first with a record, later ones, backward.
struct counted_calls {
  counted made, plain, first, steady, back;

  explicit counted_calls(traffic_table const& none)
      : made(none), plain(none), first(none), steady(none), back(none) {}
};

template <placement Placement, class Order, class T, class Policy>
counted_calls count_steps(random_layer<T> const& layer, Policy const& policy, training const& how,
                          traffic_table const& none) {
  auto const grad_out = random_grad_out(layer, 1);
  counted_calls calls(none);
  gradients<T> result(layer);
  emulated::run<Placement>(layer.ranks, [&](auto& group) {
    llep::counting counter(group);
    using group_type = decltype(counter);
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<swiglu_loops<T>>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<Policy, group_type, swiglu_loops<T>, Order> moe(q, counter, layer.owner, policy);
    calls.made.take(counter);
    step(layer, group.rank(), moe, q, kernel, result.out);
    calls.plain.take(counter);
    {
      auto const dropped = train(layer, mine, moe, q, kernel, result, how);
      calls.first.take(counter);
    }
    for (int i = 0; i < 2; ++i) {  // the first time back the workspace may have to grow
      auto record = train(layer, mine, moe, q, kernel, result, how);
      calls.steady.take(counter);
      go_back(layer, mine, moe, q, kernel, record, grad_out, result);
      calls.back.take(counter);
    }
  });
  return calls;
}

template <placement Placement, class Order, class T, class Policy>
void check_layer(random_layer<T> const& layer, Policy const& policy, training const& how) {
  predicted_traffic<T> const expected(layer, Placement == placement::segments, policy, Order{});
  auto const none = expected.nothing();
  auto const [made, plain, first, steady, back] =
      count_steps<Placement, Order>(layer, policy, how, none);
  for (counted const* const forward : {&plain, &first, &steady}) {
    CHECK(forward->sent == expected.forward());
    CHECK(forward->received == expected.forward());
  }
  CHECK(back.sent == expected.backward(how));
  CHECK(back.received == expected.backward(how));
  CHECK(made.sent == none);
  auto const each = at(layer.ranks);
  auto const words = header_words + layer.experts;
  CHECK(made.gathered == std::vector<gather_traffic>(each, {1, header_words}));
  CHECK(steady.gathered == std::vector<gather_traffic>(each, {1, words}));
  CHECK(back.gathered == std::vector<gather_traffic>(each, {1, words}));
  // The first step's workspace has to grow, if only for the kernel's scratch: once more to confirm.
  CHECK(plain.gathered == std::vector<gather_traffic>(each, {2, 2 * words}));
}

template <class T>
random_layer<T> layer_of(std::int32_t ranks, std::uint64_t seed) {
  auto layer = make_layer<T>(seed);
  std::mt19937_64 random(seed);
  layer.ranks = ranks;
  layer.tokens.clear();
  for (rank_id r = 0; r < ranks; ++r)
    layer.tokens.push_back(seed % 7 == 0 || random() % 3 == 0 ? 0 : std::int64_t(random() % 24));
  for (rank_id& r : layer.owner) r = static_cast<rank_id>(random() % at(ranks));
  fill(layer, random);
  return layer;
}

TEST_CASE("counting: a step sends what plan and pieces say, each row once there and back",
          "[adaptor]") {
  auto const ranks = GENERATE(1, 2, 3, 8);
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{12}));
  CAPTURE(ranks, seed);
  auto const layer = layer_of<float>(ranks, seed);
  for (training const& how : all_trainings()) {
    CAPTURE(how.recompute, how.lend_again, how.resend_outputs);
    check_layer<placement::segments, global_order>(layer, moves_most, how);
    check_layer<placement::packed, local_first>(layer, moves_most, how);
    check_layer<placement::segments, local_first>(layer, spread_everywhere{}, how);
    check_layer<placement::packed, global_order>(layer, spread_everywhere{}, how);
    check_layer<placement::segments, global_order>(layer, standard_ep{}, how);
    check_layer<placement::packed, local_first>(layer, standard_ep{}, how);
  }
}

TEST_CASE("counting: it keeps the promises of the communicator that it counts", "[adaptor]") {
  auto const body = [](auto& group) {
    llep::counting counter(group);
    host_device::queue q;
    for (std::uint64_t seed = 0; seed < 20; ++seed) check_communicator(counter, q, seed);
  };
  for (std::int32_t const ranks : {1, 2, 3, 8}) {
    CHECK_NOTHROW(emulated::run(ranks, body));
    CHECK_NOTHROW(emulated::run<placement::packed>(ranks, body, {scheduling::turns, 3}));
  }
}

// ---- one rank of four, of which the others are imagined -----------------------------------------

struct lone_communicator {
  using communicator_concept = communicator_tag;
  using device_type = host_device;
  using ticket = std::int64_t;
  static constexpr bool places_segments = true;
  static constexpr bool needs_progress = true;

  host_device own;
  std::int64_t posted = 0, waited = 0, progressed = 0;
  bool refuses = false;

  [[nodiscard]] rank_id rank() const noexcept { return 2; }
  [[nodiscard]] std::int32_t size() const noexcept { return 4; }
  [[nodiscard]] host_device& device() noexcept { return own; }
  void all_gather(host_device::queue&, std::int64_t const*, std::int64_t*, std::int64_t) {
    if (refuses) throw error(errc::communication, "gone");
  }
  [[nodiscard]] ticket post(host_device::queue&, lane, std::span<outgoing const>,
                            std::span<incoming const>, std::int64_t) {
    if (refuses) throw error(errc::communication, "gone");
    return ++posted;
  }
  void wait(host_device::queue&, ticket which) { waited = which; }
  void progress() { ++progressed; }
  [[nodiscard]] error abort(error const& why) noexcept { return why; }
};
static_assert(communicator<lone_communicator>);

TEST_CASE("counting: by peer, lane and direction, until it is reset", "[adaptor]") {
  lone_communicator group;
  llep::counting counter(group);
  static_assert(decltype(counter)::places_segments && decltype(counter)::needs_progress);
  host_device::queue q;
  std::vector<outgoing> const sends{{1, nullptr, 5}, {3, nullptr, 2}, {1, nullptr, 1}};
  std::vector<incoming> const receives{{0, nullptr, 7}};
  counter.wait(q, counter.post(q, lane::rows, sends, receives, 3));
  counter.wait(q, counter.post(q, lane::weights, {}, receives, 1000));
  CHECK(group.waited == 2);
  CHECK(counter.sent(1, lane::rows) == traffic{2, 18});
  CHECK(counter.sent(3, lane::rows) == traffic{1, 6});
  CHECK(counter.sent(0, lane::rows) == traffic{});
  CHECK(counter.sent(1, lane::weights) == traffic{});
  CHECK(counter.received(0, lane::rows) == traffic{1, 21});
  CHECK(counter.received(0, lane::weights) == traffic{1, 7000});
  CHECK(counter.received(1, lane::rows) == traffic{});
  CHECK(counter.sent(lane::rows) == traffic{3, 24});
  CHECK(counter.received(lane::rows) == traffic{1, 21});
  counter.all_gather(q, nullptr, nullptr, 9);
  counter.all_gather(q, nullptr, nullptr, 4);
  CHECK(counter.gathered() == gather_traffic{2, 13});
  counter.progress();
  CHECK(group.progressed == 1);
  CHECK(counter.rank() == 2);
  CHECK(counter.size() == 4);
  CHECK(&counter.device() == &group.own);
  CHECK(counter.abort(error(errc::failed, "why")).what() == std::string("why"));

  group.refuses = true;  // what isn't accepted doesn't count
  CHECK_THROWS_AS(counter.post(q, lane::rows, sends, receives, 3), error);
  CHECK_THROWS_AS(counter.all_gather(q, nullptr, nullptr, 9), error);
  CHECK(counter.sent(lane::rows) == traffic{3, 24});
  CHECK(counter.gathered() == gather_traffic{2, 13});

  counter.reset();
  CHECK(counter.sent(lane::rows) == traffic{});
  CHECK(counter.received(0, lane::weights) == traffic{});
  CHECK(counter.gathered() == gather_traffic{});
}

TEST_CASE("counting: nests, and goes on counting where it was moved to", "[adaptor]") {
  lone_communicator group;
  llep::counting inner(group);
  llep::counting<decltype(inner)> outer(inner);
  static_assert(!std::copyable<decltype(inner)>);
  host_device::queue q;
  outer.all_gather(q, nullptr, nullptr, 9);
  CHECK(inner.gathered() == gather_traffic{1, 9});
  inner.reset();
  auto moved = std::move(outer);
  moved.all_gather(q, nullptr, nullptr, 4);
  CHECK(moved.gathered() == gather_traffic{2, 13});
  CHECK(inner.gathered() == gather_traffic{1, 4});
}

TEST_CASE("counting: allocates nothing after it is made", "[adaptor]") {
  lone_communicator group;
  llep::counting counter(group);
  host_device::queue q;
  std::vector<outgoing> const sends(100, {1, nullptr, 5});
  allocations = 0;
  watching = true;
  for (int i = 0; i < 100; ++i) {
    counter.wait(q, counter.post(q, lane::rows, sends, {}, 3));
    counter.all_gather(q, nullptr, nullptr, 9);
    counter.reset();
  }
  watching = false;
  CHECK(allocations == 0);
}

}  // namespace
