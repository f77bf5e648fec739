// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/planned_layer.cuh>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/schedule.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/sample_problem.hpp>

#include "arguments.hpp"
#include "graph.hpp"
#include "planned_bed.cuh"
#include "report.hpp"
#include "seeds.hpp"
#include "support/random_layer.hpp"
#include "timing.hpp"

// The planner's kernel against llep::least_loaded, and the layer that is planned on the device, in
// a graph that is replayed with other routings.

namespace {

using namespace llep;
using namespace llep::bench;
using testing::at;

// ---- plans --------------------------------------------------------------------------------------

template <class Policy>
std::string plans_differ(cuda::queue& q, Policy const& policy, problem const& in) {
  typename Policy::memory memory{};
  plan expected;
  policy.plan(in, memory, expected);
  std::vector<piece> pieces;
  global_order::memory none;
  global_order{}.arrange(in, expected, none, pieces);
  schedule steps;
  steps.build(in, expected, pieces, 0);
  std::stable_sort(expected.spans.begin(), expected.spans.end(),
                   [](auto const& a, auto const& b) { return a.expert < b.expert; });

  planned_problem const on_gpu(in);
  on_gpu.plan(q, policy);
  finish(q);
  std::vector<std::uint64_t> words;
  auto const got = on_gpu.read(words);
  if (got.status->outcome != cuda::plan_outcome::ok) return "status";
  std::vector<row_span> spans;
  for (expert_id e = 0; e < in.experts(); ++e)
    for (auto s = got.span_offsets[e]; s < got.span_offsets[e + 1]; ++s)
      spans.push_back({e, got.spans[s].rank, got.spans[s].begin, got.spans[s].end});
  if (spans != expected.spans) return "spans";
  if (*got.move_count != std::ssize(expected.moves) ||
      !std::equal(expected.moves.begin(), expected.moves.end(), got.moves))
    return "moves";
  std::int32_t next = 0;
  for (rank_id r = 0; r < in.ranks; ++r) {
    if (got.rows[r] != steps.rows_computed(r)) return "rows of a rank";
    if (std::cmp_not_equal(got.lent_experts[r], steps.lent(r))) return "lent experts of a rank";
    row_count first = 0;
    for (std::size_t g = 0; g < steps.experts(r).size(); ++g, ++next) {
      row_count const rows = steps.rows_by_group(r)[g];
      if (got.groups[next] != cuda::planned_group{first, rows, steps.experts(r)[g]})
        return "groups of a rank";
      first += rows;
    }
  }
  return "";
}

void check_plans(cuda::queue& q, std::uint64_t seed) {
  testing::seeded random(seed);
  testing::sample_problem sample;
  sample.ranks = random.one_of({1, 2, 3, 8, 8, 16, 64, 200});
  sample.owner = testing::random_owners(random, random.int32(1, 400), sample.ranks);
  testing::draw_counts(random, sample, random.one_of<row_count>({1, 20, 3000, 1'000'000}));
  auto const in = sample.view();
  least_loaded const policy{random.one_of({0.5, 1.0, 1.1, 2.0}),
                            random.one_of<row_count>({0, 1, 100, 1024})};
  testing::witness const seen("planner on a device", seed);
  auto const holds = [&](auto const& p, char const* name) {
    auto const differs = plans_differ(q, p, in);
    seen.holds(differs.empty(), std::string(name) + " plans as on the host: " + differs);
  };
  holds(policy, "least_loaded");
  holds(fallback<least_loaded>{policy}, "fallback<least_loaded>");
  holds(standard_ep{}, "standard_ep");
}

// ---- the layer in a graph -----------------------------------------------------------------------

testing::random_layer<float> routed(std::uint64_t seed) {
  testing::random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 12;
  layer.choices = 3;
  layer.hidden = 40;
  layer.inner = 24;
  layer.tokens = {9, 0, 31, 16};
  layer.owner = contiguous_owners(layer.experts, layer.ranks);
  std::mt19937_64 random(seed);
  fill(layer, random);
  for (float& w : layer.weights) w *= 0.2F;
  return layer;
}

/// All ranks' inputs, and the layer, on GPU 0.
class planned_steps {
 public:
  using layer_type = cuda::planned_layer<swiglu_expert<float>>;
  using batch = cuda::planned_batch<float, std::int32_t, float>;

  explicit planned_steps(testing::random_layer<float> const& of)
      : weights_(of.weights),
        x_(of.x),
        out_(std::ssize(of.x)),
        gates_(of.gates),
        ids_(of.ids),
        layer_({of.hidden, of.inner}, least_loaded{1.0, 1}, of.owner, members(of), limits(of)) {
    for (rank_id r = 0; r < of.ranks; ++r) {
      auto const first = of.first_token(r);
      auto const n = of.tokens[at(r)];
      auto const h = first * of.hidden;
      auto const k = first * of.choices;
      batches_.push_back({{x_.data() + h, n, of.hidden},
                          {ids_.data() + k, n, of.choices},
                          {gates_.data() + k, n, of.choices},
                          {out_.data() + h, n, of.hidden}});
    }
  }

  void forward(cuda::queue& q) { layer_.forward(q, std::span<batch const>(batches_)); }

  /// Other hidden states, ids and gates in the same memory, and NaNs where results go.
  void give(testing::random_layer<float> const& of) {
    put(x_, of.x);
    put(gates_, of.gates);
    put(ids_, of.ids);
    put(out_, std::vector<float>(of.x.size(), std::nanf("")));
  }
  [[nodiscard]] std::vector<float> out(cuda::queue& q) const {
    if (auto const wrong = layer_.status(q)) throw error(*wrong);
    std::vector<float> list(static_cast<std::size_t>(out_.size()));
    cuda::check(cudaMemcpy(list.data(), out_.data(), out_.bytes(), cudaMemcpyDeviceToHost),
                "cudaMemcpy");
    return list;
  }

 private:
  [[nodiscard]] std::vector<layer_type::member> members(
      testing::random_layer<float> const& of) const {
    std::vector<layer_type::member> all(at(of.ranks));
    auto const each = of.hidden * of.inner;
    for (auto& m : all) m.native.resize(at(of.experts));
    for (expert_id e = 0; e < of.experts; ++e)
      for (std::int64_t b = 0; b < 3; ++b)
        all[at(of.owner[at(e)])].native[at(e)][at(b)] = weights_.data() + (e * 3 + b) * each;
    return all;
  }
  static cuda::planned_limits limits(testing::random_layer<float> const& of) {
    return {of.all_tokens() * of.choices, of.experts,
            *std::max_element(of.tokens.begin(), of.tokens.end()), of.choices};
  }
  template <class T>
  static void put(device_array<T> const& there, std::vector<T> const& values) {
    upload(there.data(), values.data(), there.bytes());
  }

  device_array<float> weights_, x_, out_, gates_;
  device_array<std::int32_t> ids_;
  layer_type layer_;
  std::vector<batch> batches_;
};

void check_replays(cuda::queue& q, std::uint64_t seed) {
  auto of = routed(seed);
  planned_steps steps(of);
  testing::witness const seen("planned_layer", seed);
  auto const holds = [&](char const* promise) {
    auto const expected = of.dense();
    seen.close(steps.out(q), expected, 5e-6, promise);
  };
  steps.forward(q);
  holds("makes the dense output");
  captured_graph const step(q, [&] { steps.forward(q); });
  constexpr std::uint64_t replays = 5;
  for (std::uint64_t i = 1; i <= replays; ++i) {
    auto const other = routed(seed + 1'000'000 * i);
    of.x = other.x;
    of.gates = other.gates;
    of.ids = other.ids;
    steps.give(of);
    step.launch(q);
    holds("makes the dense output of another routing when its graph is replayed");
  }
}

void check_all(arguments const& given, report& to) {
  cuda::queue q;
  check_seeds(given, to, "device planner: plans as the host's", 500,
              [&](std::uint64_t seed) { check_plans(q, seed); });
  check_seeds(given, to, "planned layer: in a graph, with other routings", 10,
              [&](std::uint64_t seed) { check_replays(q, seed); });
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, check_all); }
