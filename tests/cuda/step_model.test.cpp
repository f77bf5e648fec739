// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include <array>
#include <numeric>
#include <vector>

#include <llep/plan.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/row_order/global_order.hpp>

#include "gpu/scenarios.hpp"
#include "gpu/step_model.hpp"

// The arithmetic by which bench/gpu makes a step's time of what ranks were measured to take, held
// against examples worked out by hand.

namespace {

using namespace llep;
using namespace llep::bench;
using Catch::Approx;

constexpr network ten_us_1_gb_per_s{10, 1};  // 1000 bytes a microsecond

TEST_CASE("send_matrix: what ranks send themselves isn't sent, the busiest rank counts both ways",
          "[bench]") {
  std::array const pieces{piece{0, 0, 0, 0, 5}, piece{0, 0, 1, 5, 2}, piece{1, 2, 1, 0, 3},
                          piece{2, 1, 0, 0, 1}};
  auto const sent = rows_sent(3, pieces, 10);
  CHECK(sent.out(0) == 20);
  CHECK(sent.in(0) == 10);
  CHECK(sent.in(1) == 50);
  CHECK(sent.out(2) == 30);
  CHECK(sent.busiest() == 50);
  CHECK(sent.total() == 60);
}

TEST_CASE("send_matrix: lent weights leave their owner once for each rank they go to", "[bench]") {
  std::vector<rank_id> const owner{0, 0, 1};
  std::vector<row_count> const load{30, 0, 0};
  problem const in{3, owner, load, {}};
  plan p;
  p.start(in);
  for (rank_id const r : {0, 1, 2}) p.give(in, 0, r, 10);
  auto const sent = weights_sent(3, p, 100);
  CHECK(sent.out(0) == 200);
  CHECK(sent.in(2) == 100);
  CHECK(sent.busiest() == 200);
}

TEST_CASE("network: a transfer without bytes isn't made", "[bench]") {
  CHECK(ten_us_1_gb_per_s.transfer_us(0) == 0);
  CHECK(ten_us_1_gb_per_s.transfer_us(5000) == Approx(15));
}

TEST_CASE("shared_lanes: two transfers share a link evenly while both have bytes", "[bench]") {
  SECTION("the first is done before the other begins") {
    shared_lanes const t(0, 5, 8, 3);
    CHECK(t.weights_in == Approx(5));
    CHECK(t.rows_in == Approx(11));
  }
  SECTION("the first has less left") {  // 2 left at 3; both run at half speed until 7
    shared_lanes const t(0, 5, 3, 4);
    CHECK(t.weights_in == Approx(7));
    CHECK(t.rows_in == Approx(9));
  }
  SECTION("the other has less") {  // 9 left at 1; rows end at 1 + 2 x 4
    shared_lanes const t(0, 10, 1, 4);
    CHECK(t.rows_in == Approx(9));
    CHECK(t.weights_in == Approx(14));
  }
  SECTION("without weights, without rows") {
    CHECK(shared_lanes(0, 0, 3, 4).rows_in == Approx(7));
    CHECK(shared_lanes(0, 10, 3, 0).weights_in == Approx(10));
  }
}

TEST_CASE("model_step: standard EP waits for its busiest rank, out and back", "[bench]") {
  std::array const ranks{rank_phases{.agree = 5,
                                     .prepare = 20,
                                     .own = 1,
                                     .regroup = 2,
                                     .native = 100,
                                     .gather = 2,
                                     .own_back = 1,
                                     .combine = 7},
                         rank_phases{.agree = 3,
                                     .prepare = 30,
                                     .own = 1,
                                     .regroup = 1,
                                     .native = 10,
                                     .gather = 1,
                                     .own_back = 1,
                                     .combine = 9}};
  auto const t = model_step(ranks, {4000, 0}, ten_us_1_gb_per_s);
  CHECK(t.started == Approx(15));                   // 5 + 10
  CHECK(t.dispatched == Approx(15 + 30 + 10 + 4));  // when the slower one has packed
  CHECK(t.weights_in == Approx(15));
  CHECK(t.computed == Approx(59 + 2 + 100 + 2));
  CHECK(t.step == Approx(163 + 14 + 9));  // the slower one to combine
}

TEST_CASE("model_step: lent experts begin when their weights are in and the native ones done",
          "[bench]") {
  rank_phases const owner{.prepare = 10, .native = 40, .combine = 5};
  rank_phases helper{.prepare = 10, .native = 4, .lent = 50, .combine = 5};
  // started at 10; weights move from 20 on, 30 us alone; rows from 30 on, 2 us: they share until
  // 34, weights are in at 30 + 20 + 2
  std::array<rank_phases, 2> const late{owner, helper};
  auto const t = model_step(late, {2000, 30000}, ten_us_1_gb_per_s);
  CHECK(t.dispatched == Approx(34));
  CHECK(t.weights_in == Approx(52));
  CHECK(t.computed == Approx(102));  // 52 + 50, not 34 + 4 + 50
  CHECK(t.step == Approx(102 + 12 + 5));

  helper.native = 30;
  std::array<rank_phases, 2> const early{owner, helper};
  CHECK(model_step(early, {2000, 30000}, ten_us_1_gb_per_s).computed == Approx(34 + 30 + 50));
}

TEST_CASE("model_step: rows that stay are ready when they are moved, others or not", "[bench]") {
  std::array const alone{
      rank_phases{.prepare = 10, .own = 8, .native = 20, .own_back = 8, .combine = 3}};
  auto const t = model_step(alone, {}, ten_us_1_gb_per_s);
  CHECK(t.dispatched == Approx(20));
  CHECK(t.step == Approx(10 + 10 + 8 + 20 + 8 + 3));
}

TEST_CASE("floor_us: EP's work evenly, at its busiest rank's rate, transfers one by one",
          "[bench]") {
  std::array const phases{
      rank_phases{.agree = 5, .prepare = 20, .regroup = 4, .native = 90, .gather = 4, .combine = 6},
      rank_phases{.agree = 5, .prepare = 20, .native = 30, .combine = 6}};
  std::array<row_count, 2> const rows{900, 100};
  double const balanced = 90.0 / 900 * 500;
  CHECK(floor_us({phases, rows}, {2000, 30000}, ten_us_1_gb_per_s) ==
        Approx(5 + 10 + 20 + 2 + 2 + 6 + balanced + 2 * 12 + 40));
}

TEST_CASE("scenarios: hot experts and the rest have their shares, and ids are of them", "[bench]") {
  auto const load = rows_by_expert(1000, 8, {80, 3});
  CHECK(std::accumulate(load.begin(), load.begin() + 3, row_count{0}) == 800);
  CHECK(std::accumulate(load.begin(), load.end(), row_count{0}) == 1000);
  CHECK(load[3] == 40);
  CHECK(rows_by_expert(80, 8, {}) == std::vector<row_count>(8, 10));
  auto const ids = random_ids(load, 1);
  std::vector<row_count> counted(8, 0);
  for (auto const id : ids) ++counted[static_cast<std::size_t>(id)];
  CHECK(counted == load);
  CHECK(ids != random_ids(load, 2));
}

TEST_CASE("scenarios: the paper's speedups are at hand", "[bench]") {
  CHECK(paper_speedup("DeepSeek-V3", {80, 4}) == 3.64);
  CHECK(paper_speedup("Kimi-K2", {0, 0}) == 1.03);
  CHECK(!paper_speedup("gpt-oss-120b", {70, 4}));
}

}  // namespace
