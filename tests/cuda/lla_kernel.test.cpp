// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/lla_kernel.cuh>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <llep/backends/cuda/device.cuh>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/schedule.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/testing/table.hpp>

#include "support/sanitizers.hpp"

namespace {

using namespace llep;
using cuda_device = cuda::device<>;
using testing::at;
using testing::sample_problem;
using testing::seeded;

struct limits {
  row_count rows = std::numeric_limits<row_count>::max();
  std::int32_t lent = std::numeric_limits<std::int32_t>::max();
};

/// A block that a kernel has filled, as the host sees it.
class planned {
 public:
  planned(cuda::plan_settings const& how, problem const& in, limits const& most = {},
          std::vector<std::int64_t> const& bad = {})
      : memory_(at(cuda::planned_block::bytes(in.ranks, in.experts()) / 8), ~std::uint64_t{0}),
        block_(memory_.data(), in.ranks, in.experts()) {
    constexpr std::int64_t header = 3;  // the counts of a rank don't follow those of the last one
    auto const stride = header + in.experts();
    std::vector<std::int64_t> words(at(in.ranks * stride), -1);
    for (rank_id p = 0; p < in.ranks; ++p) {
      std::copy_n(in.counts.begin() + std::ptrdiff_t{p} * in.experts(), in.experts(),
                  words.begin() + p * stride + header);
      if (!bad.empty()) std::copy_n(bad.begin() + 2 * p, 2, words.begin() + p * stride);
    }
    static cuda_device device;
    static auto q = device.make_queue();
    testing::on_device const counts(device, q, words);
    testing::on_device const owner(device, q, std::vector(in.owner.begin(), in.owner.end()));
    testing::on_device const filled(device, q, memory_);
    cuda::plan_input const from{
        owner.data(), counts.data() + header, counts.data(), stride, most.rows, most.lent};
    cuda::plan_on_device(q, how, from, {filled.data(), in.ranks, in.experts()});
    memory_ = filled.read();
    block_ = {memory_.data(), in.ranks, in.experts()};
  }
  planned(planned const&) = delete;
  planned& operator=(planned const&) = delete;

  [[nodiscard]] cuda::planned_block const* operator->() const { return &block_; }

 private:
  std::vector<std::uint64_t> memory_;
  cuda::planned_block block_;
};

// ---- comparing ------------------------------------------------------------------------------

std::string spans_differ(problem const& in, plan p, planned const& got) {
  std::stable_sort(p.spans.begin(), p.spans.end(),
                   [](auto const& a, auto const& b) { return a.expert < b.expert; });
  if (got->span_offsets[in.experts()] != std::ssize(p.spans)) return "number of spans";
  std::size_t i = 0;
  for (expert_id e = 0; e < in.experts(); ++e)
    for (auto s = got->span_offsets[e]; s < got->span_offsets[e + 1]; ++s, ++i) {
      cuda::placed_span const& span = got->spans[s];
      if (p.spans[i] != row_span{e, span.rank, span.begin, span.end})
        return "span " + std::to_string(i) + " of expert " + std::to_string(e);
    }
  if (*got->move_count != std::ssize(p.moves)) return "number of moves";
  if (!std::equal(p.moves.begin(), p.moves.end(), got->moves)) return "moves";
  return "";
}

std::string groups_differ(problem const& in, schedule const& steps, planned const& got) {
  std::int32_t next = 0;
  for (rank_id r = 0; r < in.ranks; ++r) {
    auto const of = ", rank " + std::to_string(r);
    if (got->group_offsets[r] != next) return "group offset" + of;
    if (got->rows[r] != steps.rows_computed(r)) return "rows" + of;
    if (std::cmp_not_equal(got->lent_experts[r], steps.lent(r))) return "lent experts" + of;
    row_count first = 0;
    for (std::size_t g = 0; g < steps.experts(r).size(); ++g, ++next) {
      row_count const rows = steps.rows_by_group(r)[g];
      if (got->groups[next] != cuda::planned_group{first, rows, steps.experts(r)[g]})
        return "group " + std::to_string(g) + of;
      first += rows;
    }
  }
  return got->group_offsets[in.ranks] == next ? "" : "number of groups";
}

// Where the first row of a piece is computed, as the block says.
cuda::placed_span place_of(planned const& got, piece const& a) {
  row_count const row = got->base[std::int64_t{a.src} * got->experts + a.expert] + a.begin;
  for (auto s = got->span_offsets[a.expert]; s < got->span_offsets[a.expert + 1]; ++s) {
    cuda::placed_span const& span = got->spans[s];
    if (row >= span.begin && row < span.end)
      return {row, span.end, span.slot + row - span.begin, span.rank};
  }
  return {0, 0, -1, -1};
}

// Rows come to rank `me` from itself and from others in the order of pieces.
std::string slots_differ(std::vector<piece> const& pieces, schedule const& steps, rank_id me,
                         planned const& got) {
  std::size_t own = 0;
  std::vector<std::size_t> next(at(got->ranks), 0);
  auto const& arrivals = steps.arrivals();
  for (piece const& a : pieces) {
    if (a.dst != me) continue;
    auto const place = place_of(got, a);
    row_count slot = -1;
    if (a.src == me) {
      slot = steps.own_rows()[own++].to;
    } else {
      auto& i = next[at(a.src)];
      while (arrivals[i].peer != a.src) ++i;
      slot = arrivals[i++].slot;
    }
    if (place.rank != me || place.slot != slot || place.end - place.begin < a.rows)
      return "slot of expert " + std::to_string(a.expert) + "'s rows from rank " +
             std::to_string(a.src);
  }
  return "";
}

template <class Policy>
std::string difference(Policy const& policy, problem const& in, rank_id me) {
  typename Policy::memory memory;
  global_order::memory none;
  plan p;
  std::vector<piece> pieces;
  schedule steps;
  policy.plan(in, memory, p);
  global_order{}.arrange(in, p, none, pieces);
  steps.build(in, p, pieces, me);
  planned const got(cuda::settings_of(policy), in);
  if (got->status->outcome != cuda::plan_outcome::ok) return "status";
  if (auto const text = spans_differ(in, p, got); !text.empty()) return text;
  if (auto const text = groups_differ(in, steps, got); !text.empty()) return text;
  return slots_differ(pieces, steps, me, got);
}

// ---- golden plans ---------------------------------------------------------------------------

// Cuts an expert's rows anyhow among the ranks.
std::vector<row_count> split(seeded& random, std::vector<row_count> const& load,
                             std::int32_t ranks) {
  std::vector<row_count> counts(at(ranks) * load.size(), 0);
  for (std::size_t e = 0; e < load.size(); ++e)
    for (row_count open = load[e]; open > 0;) {
      row_count const rows = random.chance(20) ? open : random.between(1, open);
      counts[at(random.int32(0, ranks - 1)) * load.size() + e] += rows;
      open -= rows;
    }
  return counts;
}

TEST_CASE("planning kernel: decides as the paper does, golden line by golden line",
          "[cuda][planner][golden]") {
  std::ifstream file(LLEP_TEST_DATA_DIR "/lla_plans.jsonl");
  seeded random(1);
  int lines = 0;
  for (std::string text; std::getline(file, text);) {
    auto const line = nlohmann::json::parse(text);
    if (line.at("source") == "reference") continue;
    INFO(line.at("id"));
    ++lines;
    least_loaded const policy{.alpha = line.at("alpha").get<double>(),
                              .min_chunk_rows = line.at("min_tokens_per_gemm").get<row_count>(),
                              .rules = lla_rules::paper};
    auto const load = line.at("loads").get<std::vector<row_count>>();
    auto const ranks = line.at("num_ranks").get<std::int32_t>();
    auto const owner = contiguous_owners(line.at("num_experts").get<std::int32_t>(), ranks);
    auto const counts = split(random, load, ranks);
    CHECK(difference(policy, {ranks, owner, load, counts}, random.int32(0, ranks - 1)) == "");
  }
  CHECK(lines > 100);
}

// ---- random problems ------------------------------------------------------------------------

std::vector<row_count> random_loads(seeded& random, std::size_t experts) {
  row_count const scale =
      random.one_of<row_count>({1, 3, 20, 500, 8192, 1'000'000, 1'000'000'000'000});
  auto const kind = random.below(6);
  int const idle = random.one_of({0, 0, 20, 70, 97});
  std::vector<row_count> load(experts, 0);
  for (std::size_t e = 0; e < experts; ++e) {
    if (random.chance(idle)) continue;
    if (kind < 2) load[e] = random.between(0, scale);
    if (kind == 2) load[e] = scale;  // ties
    if (kind == 3) load[e] = scale / static_cast<row_count>(1 + e);
    if (kind == 4) load[e] = scale >> random.below(20);
    if (kind == 5) load[e] = scale / 50 + random.between(0, 2);
  }
  if (random.chance(30)) load[at(random.below(std::ssize(load)))] = scale;
  return load;
}

sample_problem random_problem(seeded& random) {
  bool const large = random.chance(2);
  std::int32_t const most_ranks = random.one_of({1, 4, 9, 33, 70});
  std::int32_t const most_experts = random.one_of({4, 33, 64, 100});
  sample_problem out;
  out.ranks = random.int32(1, large ? 70 : most_ranks);
  auto const experts = random.int32(1, large ? 600 : most_experts);
  out.owner = testing::random_owners(random, experts, out.ranks);
  out.load = random_loads(random, at(experts));
  out.counts = split(random, out.load, out.ranks);
  return out;
}

least_loaded random_policy(seeded& random, sample_problem const& in) {
  auto const total = std::accumulate(in.load.begin(), in.load.end(), row_count{0});
  least_loaded policy;
  policy.alpha = random.chance(50) ? random.one_of({1.0, 1.1, 1.25, 2.0, 3.0, 1e12})
                                   : 0.1 + 2.9 * random.real();
  policy.min_chunk_rows = random.chance(50)
                              ? random.one_of<row_count>({0, 0, 1, 2, 1024})
                              : random.between(0, std::max<row_count>(1, total / in.ranks));
  policy.rules = random.chance(50) ? lla_rules::ceil : lla_rules::paper;
  policy.keep_small_excess_home = random.chance(25);
  return policy;
}

std::string random_difference(std::uint64_t seed) {
  seeded random(seed);
  auto const in = random_problem(random);
  auto const policy = random_policy(random, in);
  auto const me = random.int32(0, in.ranks - 1);
  double const threshold = random.one_of({1.0, 1.01, 1.3, 2.0, 10.0, 1e12});
  auto const kind = random.below(10);
  if (kind == 0) return difference(standard_ep{}, in.view(), me);
  if (kind == 1) return difference(fallback<least_loaded>{policy, {threshold}, {}}, in.view(), me);
  if (kind == 2)
    return difference(fallback<least_loaded, per_expert>{policy, {threshold}, {}}, in.view(), me);
  return difference(policy, in.view(), me);
}

TEST_CASE("planning kernel: plans and places random problems as the host does",
          "[cuda][planner][oracle]") {
  for (std::uint64_t seed = 0; seed < testing::cases(8'000); ++seed) {
    cuda_on_host::knobs().seed = seed % 3;
    if (auto const text = random_difference(seed); !text.empty())
      FAIL("seed " << seed << ": " << text);
  }
  cuda_on_host::knobs().seed = 0;
}

TEST_CASE("planning kernel: takes the largest sizes it says", "[cuda][planner]") {
  seeded random(7);
  constexpr auto P = cuda::most_planned_ranks;
  constexpr auto E = cuda::most_planned_experts;
  least_loaded const policy{.min_chunk_rows = 8};
  for (auto const& [ranks, experts] : {std::pair{P, E}, {P, 3}, {3, E}, {P - 1, E - 1}}) {
    sample_problem in{ranks, testing::random_owners(random, experts, ranks), {}, {}};
    in.load = random_loads(random, at(experts));
    in.load[0] += 1000 * ranks;
    in.counts = split(random, in.load, ranks);
    CHECK(difference(policy, in.view(), ranks / 2) == "");
  }
}

TEST_CASE("planning kernel: refuses sizes beyond its own", "[cuda][planner]") {
  cuda::queue q;
  CHECK_THROWS_AS(cuda::plan_on_device(q, {}, {}, {nullptr, 1, cuda::most_planned_experts + 1}),
                  error);
  CHECK_THROWS_AS(cuda::plan_on_device(q, {}, {}, {nullptr, cuda::most_planned_ranks + 1, 1}),
                  error);
  CHECK_THROWS_AS(cuda::plan_on_device(q, {}, {}, {nullptr, 1, 0}), error);
}

TEST_CASE("planning kernel: has no way to plan by the reference rules", "[cuda][planner]") {
  CHECK_THROWS_AS(cuda::settings_of(least_loaded{.rules = lla_rules::reference}), error);
}

TEST_CASE("least_loaded: no rank gets more rows than planned_layer says", "[cuda][planner]") {
  least_loaded::memory memory;
  plan p;
  for (std::uint64_t seed = 0; seed < testing::cases(8'000); ++seed) {
    CAPTURE(seed);
    seeded random(seed);
    auto const in = random_problem(random);
    auto policy = random_policy(random, in);
    policy.alpha = random.one_of({1.0, 1.0, 1.2, 2.0});
    policy.rules = lla_rules::ceil;
    policy.keep_small_excess_home = false;
    policy.plan(in.view(), memory, p);
    auto const total = std::accumulate(in.load.begin(), in.load.end(), row_count{0});
    row_count const most = capacity(policy.rules, policy.alpha, total, in.ranks) +
                           (in.ranks - 1) * policy.min_chunk_rows.value();
    std::vector<row_count> rows(at(in.ranks), 0);
    for (row_span const& s : p.spans) rows[at(s.rank)] += s.end - s.begin;
    REQUIRE(*std::max_element(rows.begin(), rows.end()) <= most);
  }
}

// ---- what stands in the way -----------------------------------------------------------------

TEST_CASE("planning kernel: says which rank would compute more rows than it may",
          "[cuda][planner]") {
  sample_problem const in{3, {0, 1, 2}, {4, 9, 12}, {4, 9, 12, 0, 0, 0, 0, 0, 0}};
  auto const how = cuda::settings_of(standard_ep{});
  CHECK(planned(how, in.view(), {.rows = 12})->status->outcome == cuda::plan_outcome::ok);
  planned const got(how, in.view(), {.rows = 8});
  CHECK(got->status->outcome == cuda::plan_outcome::too_many_rows);
  CHECK(got->status->rank == 1);
  CHECK(got->status->position == 8);
  CHECK(got->status->value == 9);
}

TEST_CASE("planning kernel: says which rank would be lent more experts than it may",
          "[cuda][planner]") {
  sample_problem const in{2, {0, 0, 0, 0}, {2, 2, 2, 2}, {2, 2, 2, 2, 0, 0, 0, 0}};
  auto const how = cuda::settings_of(least_loaded{.min_chunk_rows = 1});
  CHECK(planned(how, in.view(), {.lent = 2})->status->outcome == cuda::plan_outcome::ok);
  planned const got(how, in.view(), {.lent = 1});
  CHECK(got->status->outcome == cuda::plan_outcome::too_many_lent);
  CHECK(got->status->rank == 1);
  CHECK(got->status->position == 1);
  CHECK(got->status->value == 2);
}

TEST_CASE("planning kernel: bad ids come before anything else, the first rank's first",
          "[cuda][planner]") {
  sample_problem const in{3, {0, 1, 2}, {4, 9, 12}, {4, 9, 12, 0, 0, 0, 0, 0, 0}};
  std::vector<std::int64_t> const bad{-1, 0, 5, -3, 2, 77};
  planned const got(cuda::settings_of(standard_ep{}), in.view(), {.rows = 3}, bad);
  CHECK(got->status->outcome == cuda::plan_outcome::bad_id);
  CHECK(got->status->rank == 1);
  CHECK(got->status->position == 5);
  CHECK(got->status->value == -3);
}

}  // namespace
