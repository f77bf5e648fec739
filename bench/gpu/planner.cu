// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/cuda/planned_layer.cuh>
#include <llep/backends/cuda/tiled_kernel.cuh>
#include <llep/backends/emulated/run.hpp>
#include <llep/dispatcher.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/schedule.hpp>

#include "arguments.hpp"
#include "graph.hpp"
#include "layer_bed.cuh"
#include "planned_bed.cuh"
#include "report.hpp"
#include "scenarios.hpp"
#include "timing.hpp"

// Planning on the device against planning on the host, and whole steps of few tokens planned in
// either way, P = 8 ranks on one GPU.

namespace {

using namespace llep;
using namespace llep::bench;

// ---- plans --------------------------------------------------------------------------------------

struct plan_size {
  std::int32_t experts, ranks;
  double wanted_us;  ///< 0: nothing is wanted
};
constexpr std::array plan_sizes{plan_size{256, 8, 10},  plan_size{256, 64, 15},
                                plan_size{128, 8, 0},   plan_size{384, 8, 0},
                                plan_size{1024, 64, 0}, plan_size{1024, 1024, 0}};

double host_plan_us(problem const& in) {
  fallback<least_loaded> const policy;
  fallback<least_loaded>::memory memory;
  global_order::memory none;
  plan made;
  std::vector<piece> pieces;
  schedule steps;
  constexpr int rounds = 31;
  return host_us(rounds, [&] {
    policy.plan(in, memory, made);
    global_order{}.arrange(in, made, none, pieces);
    steps.build(in, made, pieces, 0);
  });
}

void plans(arguments const& given, report& to, cuda::queue& q) {
  cache_sweep const sweep(given.sized(byte_count{256} << 20U, byte_count{1} << 16U));
  int const rounds = given.sized(101, 2);
  constexpr row_count rows_each = 65536;
  for (plan_size const& size : plan_sizes) {
    if (given.tiny() && size.ranks > 64) continue;
    for (scenario const& in : {scenario{80, 4}, scenario{30, 16}}) {
      posed_problem const posed(size.ranks, rows_each, size.experts, in);
      planned_problem const on_gpu(posed.view());
      double const us = medians_us(q, sweep, rounds, [&](int) {
                          on_gpu.plan(q, fallback<least_loaded>{});
                        }).front();
      auto const name = "planner/device/E:" + std::to_string(size.experts) +
                        "/P:" + std::to_string(size.ranks) + "/" + in.name();
      double const on_host = host_plan_us(posed.view());
      figure f = size.wanted_us > 0 ? time_below(name, "us", us, size.wanted_us)
                                    : time_against(name, "us", us, "host", on_host);
      f.note = "host " + std::to_string(static_cast<int>(on_host)) + " us, its lists included";
      to.add(f, json_object().add("E", size.experts).add("P", size.ranks),
             json_object().add("host_us", on_host));
    }
  }
}

// ---- steps --------------------------------------------------------------------------------------

constexpr std::int32_t ranks = 8;
using family = gptoss_expert<float>;
using planned = cuda::planned_layer<family, bf16>;
using batch = cuda::planned_batch<bf16, std::int32_t, float>;

/// A layer with few tokens on each of P ranks of one GPU.
struct small_layer {
  layer_shape shape;
  std::vector<rank_id> owner;
  expert_pool<gptoss_kernel, family> pool;
  device_array<bf16> x, out;
  device_array<float> gates;
  device_array<std::int32_t> ids;
  std::vector<batch> batches;

  small_layer(cuda::queue& q, layer_shape const& s)
      : shape(s),
        owner(contiguous_owners(s.experts, ranks)),
        pool(q, s, {s.hidden, s.inner}, s.experts),
        x(random_array<bf16>(q, ranks * s.tokens * s.hidden, 1)),
        out(x.size()),
        gates(random_array<float>(q, ranks * s.rows(), 2)),
        ids(random_ids(rows_by_expert(ranks * s.rows(), s.experts, {80, 4}), 3)) {
    for (std::int64_t r = 0; r < ranks; ++r) {
      auto const first = r * s.tokens;
      batches.push_back({{x.data() + first * s.hidden, s.tokens, s.hidden},
                         {ids.data() + first * s.choices, s.tokens, s.choices},
                         {gates.data() + first * s.choices, s.tokens, s.choices},
                         {out.data() + first * s.hidden, s.tokens, s.hidden}});
    }
  }

  /// What a rank owns; null for others' experts.
  [[nodiscard]] std::vector<gptoss_kernel::weight_blocks> native(rank_id r) const {
    std::vector<gptoss_kernel::weight_blocks> list(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e)
      if (owner[e] == r) list[e] = pool.expert(static_cast<std::int64_t>(e));
    return list;
  }
  [[nodiscard]] least_loaded policy() const { return {1.0, 1}; }
};

struct planned_how {
  bool in_graph;
  bool share_weights;  ///< else lent weights are copied, as where the host plans
};

/// Time of a step, as the host sees it when it makes one after the other.
double planned_us(small_layer const& l, cuda::queue& q, planned_how const& how, int steps) {
  std::vector<planned::member> members;
  for (rank_id r = 0; r < ranks; ++r) members.push_back({0, l.native(r)});
  planned layer({l.shape.hidden, l.shape.inner}, l.policy(), l.owner, members,
                {ranks * l.shape.rows(), l.shape.experts, l.shape.tokens, l.shape.choices},
                {.share_weights = how.share_weights});
  auto const forward = [&] { layer.forward(q, std::span<batch const>(l.batches)); };
  forward();
  if (auto const wrong = layer.status(q)) throw error(*wrong);
  std::optional<captured_graph> graph;
  if (how.in_graph) graph.emplace(q, forward);
  constexpr int rounds = 5;
  double const all = host_us(rounds, [&] {
    for (int i = 0; i < steps; ++i) graph ? graph->launch(q) : forward();
    finish(q);
  });
  return all / steps;
}

template <class Kernel, class MakeKernel>
double dispatched_us(small_layer const& l, MakeKernel make, int steps) {
  double us = 0;
  emulated::run(
      ranks, [] { return cuda::device<>(); },
      [&](auto& group) {
        auto q = group.device().make_queue();
        Kernel kernel = make(l.native(group.rank()));
        auto moe = make_dispatcher<Kernel>(q, group, l.owner, l.policy());
        batch const& mine = l.batches[static_cast<std::size_t>(group.rank())];
        constexpr int rounds = 3;
        double const all = host_us(rounds, [&] {
          for (int i = 0; i < steps; ++i)
            moe.forward(q, kernel, mine.hidden, mine.ids, mine.gates, mine.out);
          finish(q);
        });
        if (group.rank() == 0) us = all / steps;
      });
  return us;
}

void steps(arguments const& given, report& to, cuda::queue& q, std::int64_t tokens) {
  layer_shape s = paper_models[0];
  s.tokens = tokens;
  if (given.tiny()) s.experts = 16, s.hidden = 48, s.inner = 24;
  small_layer const l(q, s);
  finish(q);
  int const count = given.sized(20, 1);
  using tiled = cuda::tiled_kernel<family, bf16>;
  family const f{s.hidden, s.inner};
  double const cublas = dispatched_us<gptoss_kernel>(
      l,
      [&](auto native) {
        return gptoss_kernel(f, std::move(native), {}, {},
                             std::make_shared<gptoss_kernel::streams_type>(1));
      },
      count);
  double const tiles =
      dispatched_us<tiled>(l, [&](auto native) { return tiled(f, std::move(native)); }, count);
  auto const name = [&](char const* how) {
    return std::string("planned layer/") + how + "/" + std::string(s.name) +
           "/T:" + std::to_string(tokens) + "/P:8";
  };
  auto const sizes = json_object().add("T", tokens).add("E", s.experts).add("P", ranks);
  auto const both =
      json_object().add("host_planned_cublas_us", cublas).add("host_planned_tiled_us", tiles);
  auto const against = (std::min)(cublas, tiles);
  auto const tell = [&](char const* what, planned_how const& how) {
    double const us = planned_us(l, q, how, count);
    to.add(time_against(name(what), "us", us, "host-planned", against), sizes, both);
  };
  tell("queue", {.in_graph = false, .share_weights = false});
  tell("graph", {.in_graph = true, .share_weights = false});
  // against a side that copies lent weights all the same
  tell("queue, weights shared", {.in_graph = false, .share_weights = true});
  tell("graph, weights shared", {.in_graph = true, .share_weights = true});
}

void measure(arguments const& given, report& to) {
  cuda::queue q;
  time_budget const budget(given.seconds);
  plans(given, to, q);
  for (std::int64_t const tokens : {8, 64, 512}) {
    if (given.how == extent::quick && tokens > 8) break;
    if (!budget.is_left())
      to.not_run("planned layer/T:" + std::to_string(tokens), "no time left");
    else
      steps(given, to, q, given.sized(tokens, std::int64_t{3}));
    if (given.tiny()) break;
  }
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, measure); }
