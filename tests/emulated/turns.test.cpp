// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <llep/backends/emulated/run.hpp>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/random_layer.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::options;
using emulated::placement;
using emulated::scheduling;

random_layer<float> small_layer() {
  random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 7;
  layer.choices = 2;
  layer.hidden = 3;
  layer.inner = 2;
  layer.tokens = {6, 0, 9, 4};
  layer.owner = {0, 0, 0, 2, 3, 2, 0};
  std::mt19937_64 random(8);
  fill(layer, random);
  return layer;
}

template <placement Placement, class Order, class Policy>
void check_seeds(Policy const& policy) {
  auto const layer = small_layer();
  auto const expected = layer.dense();
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    CAPTURE(seed);
    REQUIRE(run_layer<Placement, Order>(layer, policy, {scheduling::turns, seed}) == expected);
  }
}

TEST_CASE("turns: no interleaving of a step deadlocks or changes the result, standard EP",
          "[emulated]") {
  check_seeds<placement::segments, global_order>(standard_ep{});
}
TEST_CASE("turns: no interleaving of a step deadlocks or changes the result, ceil rules",
          "[emulated]") {
  check_seeds<placement::segments, local_first>(least_loaded{1.0, 1});
}
TEST_CASE("turns: no interleaving of a step deadlocks or changes the result, paper rules",
          "[emulated]") {
  check_seeds<placement::packed, global_order>(least_loaded{1.0, 1, lla_rules::paper});
}
TEST_CASE("turns: no interleaving of a step deadlocks or changes the result, reference rules",
          "[emulated]") {
  check_seeds<placement::segments, global_order>(least_loaded{1.0, 1, lla_rules::reference});
}
TEST_CASE("turns: no interleaving of a step deadlocks or changes the result, with fallback",
          "[emulated]") {
  check_seeds<placement::packed, local_first>(fallback<least_loaded>{least_loaded{1.0, 1}});
}

/// The order in which 3 ranks get to speak, 4 times each.
std::vector<rank_id> order_of(options const& how) {
  std::vector<rank_id> order;
  std::mutex mutex;
  emulated::run(
      3,
      [&](auto& group) {
        for (int i = 0; i < 4; ++i) {
          {
            std::lock_guard const held(mutex);
            order.push_back(group.rank());
          }
          group.progress();
        }
      },
      how);
  return order;
}

TEST_CASE("turns: the seed fixes the interleaving, and another seed gives another", "[emulated]") {
  std::set<std::vector<rank_id>> orders;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto const order = order_of({scheduling::turns, seed});
    CHECK(order == order_of({scheduling::turns, seed}));
    orders.insert(order);
  }
  CHECK(orders.size() > 30);
}

/// What each of 3 ranks throws when `body` is run; all must say the same.
template <class Body>
std::string one_text(options const& how, Body body) {
  auto const all = texts(emulated::try_run(3, body, how));
  CAPTURE(how.seed);
  CHECK(all == std::vector<std::string>(3, all[0]));
  return all[0];
}

template <class Body>
void everywhere(Body body) {
  body(options{scheduling::concurrent});
  for (std::uint64_t seed = 0; seed < 30; ++seed) body(options{scheduling::turns, seed});
}

TEST_CASE("deadlock: ranks that call in different orders are told who waits for what",
          "[emulated]") {
  everywhere([](options const& how) {
    auto const text = one_text(how, [](auto& group) {
      host_device::queue q;
      std::int64_t word = group.rank();
      std::int64_t all[3] = {};
      std::byte row[8] = {};
      auto const receive = [&] {
        std::vector<incoming> const from{{(group.rank() + 1) % 3, row, 8}};
        group.wait(q, group.post(q, lane::rows, {}, from, 1));
      };
      auto const send = [&] {
        std::vector<outgoing> const to{{(group.rank() + 2) % 3, row, 8}};
        group.wait(q, group.post(q, lane::rows, to, {}, 1));
      };
      if (group.rank() == 0) receive();  // too early: the others gather first
      group.all_gather(q, &word, all, 1);
      if (group.rank() != 0) receive();
      send();
    });
    CHECK(text ==
          "deadlock: rank 0 waits in rows #0 for rank 1; rank 1 waits in all_gather #0 for rank "
          "0; rank 2 waits in all_gather #0 for rank 0");
  });
}

TEST_CASE("deadlock: a rank that has left is named", "[emulated]") {
  everywhere([](options const& how) {
    auto const ends = texts(emulated::try_run(
        3,
        [](auto& group) {
          if (group.rank() == 1) return;
          host_device::queue q;
          std::int64_t word = 0;
          std::int64_t all[3] = {};
          group.all_gather(q, &word, all, 1);
        },
        how));
    CHECK(ends[1].empty());
    CHECK(ends[0] == ends[2]);
    CHECK(ends[0] ==
          "deadlock: rank 0 waits in all_gather #0 for rank 1; rank 1 has left; rank 2 waits in "
          "all_gather #0 for rank 1");
  });
}

TEST_CASE("deadlock: a dispatcher called by all ranks but one is told, not waited for",
          "[emulated]") {
  auto const layer = small_layer();
  std::vector<float> out(layer.x.size());
  everywhere([&](options const& how) {
    auto const ends = emulated::try_run(
        4,
        [&](auto& group) {
          using group_type = std::remove_reference_t<decltype(group)>;
          host_device::queue q;
          swiglu_loops<float> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
          dispatcher<least_loaded, group_type, swiglu_loops<float>> moe(q, group, layer.owner);
          step(layer, group.rank(), moe, q, kernel, out);
          if (group.rank() != 2) step(layer, group.rank(), moe, q, kernel, out);
        },
        how);
    auto const all = texts(ends);
    CHECK(all[2].empty());
    for (rank_id const r : {0, 1, 3}) {
      CHECK(all[at(r)] == all[0]);
      CHECK(all[at(r)].find("rank 2 has left") != std::string::npos);
    }
  });
}

TEST_CASE("messages: a pair that disagrees in size takes the group down by name", "[emulated]") {
  everywhere([](options const& how) {
    auto const text = one_text(how, [](auto& group) {
      host_device::queue q;
      std::byte row[8] = {};
      std::vector<outgoing> to;
      std::vector<incoming> from;
      if (group.rank() == 0) to.push_back({1, row, 7});
      if (group.rank() == 1) from.push_back({0, row, 8});
      group.wait(q, group.post(q, lane::weights, to, from, 1));
      std::int64_t word = 0;
      std::int64_t all[3] = {};
      group.all_gather(q, &word, all, 1);
    });
    CHECK(text == "rank 0: sends 7 bytes in weights #0 where rank 1 expects 8 in weights #0");
  });
}

TEST_CASE("messages: peers that are no ranks, oneself, or empty messages are refused",
          "[emulated]") {
  for (rank_id const peer : {-1, 0, 3}) {
    auto const text = one_text({}, [peer](auto& group) {
      host_device::queue q;
      std::byte row[8] = {};
      std::int64_t word = 0;
      std::int64_t all[3] = {};
      std::vector<outgoing> const to{{peer, row, 8}};
      if (group.rank() == 0) group.wait(q, group.post(q, lane::rows, to, {}, 1));
      group.all_gather(q, &word, all, 1);
    });
    CHECK(text == "rank 0: emulated: a message has a bad peer, count, data or element size");
  }
}

TEST_CASE("run: a body's exception comes out as it was thrown, the others are told", "[emulated]") {
  struct own_error {};
  everywhere([](options const& how) {
    auto const body = [](auto& group) {
      if (group.rank() == 2) throw own_error{};
      host_device::queue q;
      std::int64_t word = 0;
      std::int64_t all[3] = {};
      group.all_gather(q, &word, all, 1);
    };
    CHECK_THROWS_AS(emulated::run(3, body, how), own_error);
    auto const ends = emulated::try_run(3, body, how);
    CHECK_THROWS_AS(std::rethrow_exception(ends.by_rank[2]), own_error);
    CHECK_THROWS_AS(std::rethrow_exception(ends.by_rank[0]), error);
    CHECK_THROWS_AS(std::rethrow_exception(ends.by_rank[1]), error);
  });
}

TEST_CASE("run: a device that can't be made is every rank's error", "[emulated]") {
  everywhere([](options const& how) {
    std::atomic<int> made = 0;
    auto const ends = emulated::try_run(
        3,
        [&] {
          if (made++ == 1) throw std::runtime_error("no such device");
          return host_device();
        },
        [](auto& group) {
          host_device::queue q;
          std::int64_t word = 0;
          std::int64_t all[3] = {};
          group.all_gather(q, &word, all, 1);
        },
        how);
    for (auto const& text : texts(ends)) CHECK(text.find("no such device") != std::string::npos);
  });
}

TEST_CASE("run: needs a rank, and takes hundreds", "[emulated]") {
  CHECK_THROWS_AS(emulated::run(0, [](auto&) {}), error);
  CHECK_THROWS_AS(emulated::run(-1, [](auto&) {}), error);
  CHECK_THROWS_AS(emulated::run(1 << 30, [](auto&) {}), error);
  for (auto const how : {scheduling::concurrent, scheduling::turns}) {
    std::vector<std::int64_t> sums(200);
    emulated::run(200,
                  [&](auto& group) {
                    host_device::queue q;
                    std::int64_t const word = group.rank();
                    std::vector<std::int64_t> all(200);
                    group.all_gather(q, &word, all.data(), 1);
                    for (auto const w : all) sums[at(group.rank())] += w;
                  },
                  {how, 3});
    CHECK(sums == std::vector<std::int64_t>(200, 199 * 100));
  }
}

TEST_CASE("run: a body that leaves without waiting for a post is told", "[emulated]") {
  everywhere([](options const& how) {
    auto const all = texts(emulated::try_run(
        3,
        [](auto& group) {
          host_device::queue q;
          static std::byte row[3][8] = {};
          std::int64_t word = 0;
          std::int64_t words[3] = {};
          std::vector<incoming> from;
          if (group.rank() == 1) from.push_back({0, row[1], 8});
          auto posted = group.post(q, lane::rows, {}, from, 1);
          if (group.rank() == 1) return;
          group.wait(q, std::move(posted));
          group.all_gather(q, &word, words, 1);
        },
        how));
    for (rank_id const r : {0, 2}) CHECK(all[at(r)] == "rank 1: left without waiting for rows #0");
  });
}

}  // namespace
