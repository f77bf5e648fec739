// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/cuda/planned_layer.cuh>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/backends/cuda/tiled_kernel.cuh>
#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <llep/testing/layer_case.hpp>
#include <llep/testing/on_device.hpp>

#include "cuda/kernel_run.hpp"
#include "support/sanitizers.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::ContainsSubstring;
using cuda_device = cuda::device<>;
using llep::testing::detail::layer_case;

least_loaded const lends_a_lot{.min_chunk_rows = 1};

/// A layer of all ranks on the stand-in's GPUs, and the memory that a caller has for it.
template <class Family, class Row = typename Family::element>
class layer_on_gpus {
 public:
  static constexpr std::size_t blocks = Family::blocks;
  using layer_type = cuda::planned_layer<Family, Row>;
  using batch = cuda::planned_batch<Row, std::int32_t, float>;

  /// @param gpus ranks are on these in turns
  template <class Policy>
  layer_on_gpus(layer_case<Family> const& of, Policy const& policy, int gpus = 1,
                cuda::planned_options const& how = {},
                std::optional<cuda::planned_limits> most = std::nullopt)
      : gpus_(gpus) {
    for (int g = 0; g < gpus; ++g) devices_.push_back(std::make_unique<cuda_device>(g));
    for (int g = 0; g < gpus; ++g) queues_.push_back(devices_[at(g)]->make_queue());
    std::vector<typename layer_type::member> members;
    auto const ranks = static_cast<rank_id>(of.tokens.size());
    for (rank_id r = 0; r < ranks; ++r) {
      members.push_back(
          {r % gpus, std::vector<typename layer_type::weight_blocks>(at(of.experts()))});
      for (expert_id e = 0; e < of.experts(); ++e)
        for (std::size_t b = 0; b < blocks && of.owner[at(e)] == r; ++b) {
          weights_.push_back(list(r, converted<Row>(of.weights[at(e)][b])));
          members.back().native[at(e)][b] = weights_.back().data();
        }
    }
    auto const rows =
        std::accumulate(of.tokens.begin(), of.tokens.end(), std::int64_t{0}) * of.choices;
    auto const tokens = *std::max_element(of.tokens.begin(), of.tokens.end());
    layer_.emplace(of.family, policy, of.owner, members,
                   most.value_or(cuda::planned_limits{rows, of.experts(), tokens, of.choices}),
                   how);
    give(of);
  }

  /// Other hidden states, ids and gates in the same memory, unless there is none yet.
  void give(layer_case<Family> const& of) {
    bool const first = batches_.empty();
    for (rank_id r = 0; r < static_cast<rank_id>(of.tokens.size()); ++r) {
      auto const n = of.tokens[at(r)];
      auto const x = converted<Row>(of.part(of.x, r, of.family.hidden));
      auto const ids = of.part(of.ids, r, of.choices);
      auto const gates = of.part(of.gates, r, of.choices);
      if (first) {
        x_.push_back(list(r, x));
        out_.push_back(list(r, std::vector<Row>(x.size(), Row(-77.0F))));
        ids_.push_back(list(r, ids));
        gates_.push_back(list(r, gates));
        auto const i = at(r);
        batches_.push_back({{x_[i].data(), n, of.family.hidden},
                            {ids_[i].data(), n, of.choices},
                            {gates_[i].data(), n, of.choices},
                            {out_[i].data(), n, of.family.hidden}});
      } else {
        overwrite(x_[at(r)], x);
        overwrite(ids_[at(r)], ids);
        overwrite(gates_[at(r)], gates);
      }
    }
    for (auto& q : queues_) cuda::check(cudaStreamSynchronize(q.stream()), "inputs");
  }

  void forward() { layer_->forward(queues_.front(), std::span<batch const>(batches_)); }
  [[nodiscard]] std::optional<error> status() { return layer_->status(queues_.front()); }
  [[nodiscard]] cuda::queue& queue() { return queues_.front(); }

  /// Of all ranks, one after the other.
  [[nodiscard]] std::vector<Row> out() {
    cuda::check(cudaStreamSynchronize(queues_.front().stream()), "step");
    std::vector<Row> all;
    for (auto const& list : out_) {
      auto const part = list.read();
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }
  [[nodiscard]] std::vector<Row> run() {
    forward();
    REQUIRE_FALSE(status());
    return out();
  }

 private:
  template <class T>
  [[nodiscard]] on_device<cuda_device, T> list(rank_id r, std::vector<T> const& values) {
    auto const g = at(r % gpus_);
    return {*devices_[g], queues_[g], values};
  }
  template <class T>
  static void overwrite(on_device<cuda_device, T> const& list, std::vector<T> const& values) {
    if (values.empty()) return;
    cuda::check(
        cudaMemcpy(list.data(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
        "cudaMemcpy");
  }

  int gpus_;
  std::vector<std::unique_ptr<cuda_device>> devices_;
  std::vector<cuda::queue> queues_;
  std::vector<on_device<cuda_device, Row>> weights_, x_, out_;
  std::vector<on_device<cuda_device, std::int32_t>> ids_;
  std::vector<on_device<cuda_device, float>> gates_;
  std::vector<batch> batches_;
  std::optional<layer_type> layer_;
};

template <class Family>
layer_case<Family> make_case(std::uint64_t seed, std::int32_t ranks, Family const& family) {
  seeded random(seed);
  return {random, ranks, family, {20, 9, 1}};
}

template <class T>
bool same_bits(std::vector<T> const& a, std::vector<T> const& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Of a dispatcher, over the same products.
template <class Family, class Policy>
auto dispatched(layer_case<Family> const& of, Policy const& policy) {
  using T = typename Family::element;
  using kernel = cuda::tiled_kernel<Family>;
  std::vector<T> all(of.x.size());
  emulated::run(
      static_cast<std::int32_t>(of.tokens.size()), [] { return cuda_device(); },
      [&](auto& group) {
        auto const r = group.rank();
        auto& device = group.device();
        auto q = device.make_queue();
        std::vector<on_device<cuda_device, T>> weights;
        std::vector<typename kernel::weight_blocks> native(at(of.experts()));
        for (expert_id e = 0; e < of.experts(); ++e)
          for (std::size_t b = 0; b < kernel::blocks && of.owner[at(e)] == r; ++b) {
            weights.emplace_back(device, q, of.weights[at(e)][b]);
            native[at(e)][b] = weights.back().data();
          }
        kernel ffn(of.family, native);
        auto const n = of.tokens[at(r)];
        on_device<cuda_device, T> const x(device, q, of.part(of.x, r, of.family.hidden));
        on_device<cuda_device, std::int32_t> const ids(device, q, of.part(of.ids, r, of.choices));
        on_device<cuda_device, float> const gates(device, q, of.part(of.gates, r, of.choices));
        auto moe = make_dispatcher<kernel>(q, group, of.owner, policy);
        moe.forward(q, ffn, {x.data(), n, of.family.hidden}, matrix_ref(ids.data(), n, of.choices),
                    matrix_ref(gates.data(), n, of.choices), {x.data(), n, of.family.hidden});
        auto const mine = x.read();
        std::copy(mine.begin(), mine.end(), all.begin() + of.first_token(r) * of.family.hidden);
      });
  return all;
}

void check_layers(std::uint64_t seed, std::int32_t ranks, auto const& family) {
  CAPTURE(seed, ranks);
  cuda_on_host::knobs().seed = seed % 3;
  cuda_on_host::knobs().max_delay_us = seed % 2 == 0 ? 0 : 200;
  auto const of = make_case(seed, ranks, family);
  auto const lent = layer_on_gpus(of, lends_a_lot).run();
  CHECK(largest_gap(lent, of.dense(0).out) < 2e-5);
  CHECK(same_bits(lent, layer_on_gpus(of, standard_ep{}).run()));
  CHECK(same_bits(lent, layer_on_gpus(of, lends_a_lot, 1, {.share_weights = true}).run()));
  CHECK(
      same_bits(lent, layer_on_gpus(of, fallback<least_loaded>{lends_a_lot, {1.1}, {}}, 2).run()));
  cuda_on_host::knobs().max_delay_us = 0;
  cuda_on_host::knobs().seed = 0;
  if (seed % 4 == 0) CHECK(same_bits(lent, dispatched(of, lends_a_lot)));
}

TEST_CASE("planned layer: the output is the dense one, and the same bits however it is planned",
          "[cuda][layer]") {
  for (std::uint64_t seed = 0; seed < cases(40); ++seed) {
    std::int32_t const ranks = std::array{1, 2, 3, 5, 8}[seed % 5];
    check_layers(seed, ranks, swiglu_expert<float>{});
    check_layers(seed, ranks, linear_expert<double>{});
    check_layers(seed, ranks, gptoss_expert<float>{0, 0, 1.5, 0.5});
  }
}

TEST_CASE("planned layer: rows and weights of 16 bits", "[cuda][layer]") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    auto const of = make_case(seed, 4, swiglu_expert<float>{});
    auto const lent = layer_on_gpus<swiglu_expert<float>, cuda::bfloat16>(of, lends_a_lot).run();
    CHECK(largest_gap(lent, of.dense(0).out) < 0.05);
    CHECK(same_bits(lent,
                    layer_on_gpus<swiglu_expert<float>, cuda::bfloat16>(of, standard_ep{}).run()));
  }
}

// Busy enough that least_loaded lends.
layer_case<swiglu_expert<float>> busy_case() {
  for (std::uint64_t seed = 100;; ++seed) {
    auto of = make_case(seed, 4, swiglu_expert<float>{});
    auto const n = of.first_token(4);
    if (n < 30 || of.experts() < 6) continue;
    std::fill_n(of.owner.begin(), 4, 0);
    seeded random(seed);
    for (auto& id : of.ids) id = random.int32(0, 3);
    return of;
  }
}

TEST_CASE("planned layer: a step makes the host wait for nothing, and allocates nothing",
          "[cuda][layer]") {
  auto const of = busy_case();
  for (int const gpus : {1, 2}) {
    layer_on_gpus layer(of, lends_a_lot, gpus);
    cuda_on_host::reset_thread_counts();
    layer.forward();
    layer.forward();
    auto const calls = cuda_on_host::thread_counts();
    CHECK(calls.launches > 0);
    CHECK(calls.host_syncs() == 0);
    CHECK(calls.implicit_syncs == 0);
    CHECK(calls.pageable_copies == 0);
    CHECK(calls.queries == 0);
    CHECK(calls.mallocs + calls.async_mallocs + calls.frees == 0);
    CHECK(largest_gap(layer.out(), of.dense(0).out) < 2e-5);
  }
}

TEST_CASE("planned layer: a captured step serves other routings", "[cuda][layer]") {
  auto of = busy_case();
  for (int const gpus : {1, 2}) {
    layer_on_gpus layer(of, lends_a_lot, gpus);
    auto const stream = layer.queue().stream();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
    layer.forward();
    cuda::check(cudaStreamEndCapture(stream, &graph), "capture");
    cuda::check(cudaGraphInstantiate(&exec, graph, 0), "instantiate");
    seeded random(9);
    for (int replay = 0; replay < 6; ++replay) {
      CAPTURE(gpus, replay);
      auto const few = random.int32(1, of.experts());
      for (auto& id : of.ids) id = random.int32(0, few - 1);
      for (auto& value : of.x) value = static_cast<float>(2 * random.real() - 1);
      for (auto& gate : of.gates) gate = static_cast<float>(random.real());
      cuda_on_host::knobs().seed = static_cast<std::uint64_t>(replay);
      layer.give(of);
      cuda::check(cudaGraphLaunch(exec, stream), "launch");
      CHECK_FALSE(layer.status());
      CHECK(largest_gap(layer.out(), of.dense(0).out) < 2e-5);
    }
    cuda_on_host::knobs().seed = 0;
    cuda::check(cudaGraphExecDestroy(exec), "destroy");
    cuda::check(cudaGraphDestroy(graph), "destroy");
  }
}

// ---- what stands in the way -----------------------------------------------------------------

bool all_nan(std::vector<float> const& list) {
  return std::all_of(list.begin(), list.end(), [](float x) { return std::isnan(x); });
}

// A step that can't be, and then one that can.
void check_refusal(layer_on_gpus<swiglu_expert<float>>& layer, std::string const& words,
                   errc code) {
  layer.forward();
  auto const why = layer.status();
  REQUIRE(why);
  CHECK(why->code() == code);
  CHECK_THAT(why->what(), ContainsSubstring(words));
  CHECK(all_nan(layer.out()));
}

TEST_CASE("planned layer: a bad id leaves NaNs, and the next step is none the worse",
          "[cuda][layer]") {
  auto const of = busy_case();
  layer_on_gpus layer(of, lends_a_lot, 2);
  for (std::int32_t const bad : {-1, of.experts(), 1 << 30}) {
    auto worse = of;
    auto const last =
        std::find_if(of.tokens.rbegin(), of.tokens.rend(), [](auto n) { return n > 0; });
    worse.ids.back() = bad;
    layer.give(worse);
    auto const r = std::to_string(of.tokens.rend() - last - 1);
    check_refusal(layer,
                  "rank " + r + ": ids: token " + std::to_string(*last - 1) + ", choice " +
                      std::to_string(of.choices - 1) + " names expert " + std::to_string(bad),
                  errc::invalid_argument);
    layer.give(of);
    CHECK(largest_gap(layer.run(), of.dense(0).out) < 2e-5);
  }
}

TEST_CASE("planned layer: too little room leaves NaNs, and says for what", "[cuda][layer]") {
  auto const of = busy_case();
  auto const tokens = *std::max_element(of.tokens.begin(), of.tokens.end());
  auto const rows = std::ssize(of.ids);
  {
    layer_on_gpus layer(of, standard_ep{}, 1, {},
                        cuda::planned_limits{rows - 1, 0, tokens, of.choices});
    check_refusal(layer, "rank 0: cuda: planned_layer: gets " + std::to_string(rows) + " rows",
                  errc::device);
    auto even = of;
    for (std::size_t i = 0; i < even.ids.size(); ++i)
      even.ids[i] = static_cast<std::int32_t>(i) % of.experts();
    bool const fits = std::count(of.owner.begin(), of.owner.end(), 0) < of.experts();
    REQUIRE(fits);
    layer.give(even);
    CHECK(largest_gap(layer.run(), even.dense(0).out) < 2e-5);
  }
  {  // so little that nothing may be written
    layer_on_gpus layer(of, standard_ep{}, 1, {}, cuda::planned_limits{0, 0, tokens, of.choices});
    check_refusal(layer, "has room for 0", errc::device);
  }
  layer_on_gpus layer(of, lends_a_lot, 1, {}, cuda::planned_limits{rows, 0, tokens, of.choices});
  check_refusal(layer, "experts lent to it, and has room for 0", errc::device);
}

TEST_CASE("planned layer: before the first step nothing stood in its way", "[cuda][layer]") {
  layer_on_gpus layer(busy_case(), lends_a_lot, 2);
  CHECK_FALSE(layer.status());
}

TEST_CASE("planned layer: a failure amid a step leaves nothing running that the queue isn't after",
          "[cuda][layer]") {
  auto const of = busy_case();
  layer_on_gpus layer(of, lends_a_lot, 2);
  auto const stream = layer.queue().stream();
  for (std::uint64_t nth = 1; nth < 30; nth += 3) {
    CAPTURE(nth);
    cudaGraph_t graph = nullptr;
    cuda::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
    cuda_on_host::fail_call_here(nth, cudaErrorLaunchOutOfResources, "cudaLaunchKernelEx");
    CHECK_THROWS_AS(layer.forward(), error);
    CHECK_FALSE(cuda_on_host::stop_failing());
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaSuccess);  // not with a fork that is open
    cuda::check(cudaGraphDestroy(graph), "destroy");
  }
  CHECK(largest_gap(layer.run(), of.dense(0).out) < 2e-5);
}

using linear_layer = cuda::planned_layer<linear_expert<float>>;

// Checks that it is refused with these words.
template <class F>
void check_refused(std::string const& words, F const& f) {
  CAPTURE(words);
  try {
    f();
    FAIL_CHECK("isn't refused");
  } catch (error const& e) {
    CHECK(e.code() == errc::invalid_argument);
    CHECK_THAT(e.what(), ContainsSubstring(words));
  }
}

TEST_CASE("planned layer: what no layer can be made of is refused", "[cuda][layer]") {
  auto const refused = [](std::string const& words, std::vector<rank_id> const& owner,
                          std::vector<linear_layer::member> const& members,
                          cuda::planned_limits const& most, least_loaded const& policy = {},
                          cuda::planned_options const& how = {}) {
    check_refused(words, [&] { linear_layer({4}, policy, owner, members, most, how); });
  };
  cuda_device device;
  auto q = device.make_queue();
  on_device<cuda_device, float> const w(device, q, std::vector<float>(16));
  std::vector<linear_layer::member> const one{{0, {{w.data()}}}};
  CHECK_NOTHROW(linear_layer({4}, least_loaded{}, {0}, one, {4, 1, 4, 1}));
  refused("1 to 2048 experts", {}, one, {4, 1, 4, 1});
  refused("1 to 1024 ranks", {0}, {}, {4, 1, 4, 1});
  refused("an owner is not a rank", {1}, one, {4, 1, 4, 1});
  refused("weights are missing", {0, 0}, one, {4, 1, 4, 1});
  refused("weights are missing", {0}, {{0, {{nullptr}}}}, {4, 1, 4, 1});
  refused("rows must be", {0}, one, {-1, 1, 4, 1});
  refused("lent_experts must be", {0}, one, {4, -1, 4, 1});
  refused("choices must be", {0}, one, {4, 1, 4, 0});
  refused("tokens must be", {0}, one, {4, 1, std::int64_t{1} << 31, 1});
  refused("reference", {0}, one, {4, 1, 4, 1}, {.rules = lla_rules::reference});
  refused("shared on one GPU only", {0}, {one.front(), {1, {{}}}}, {4, 1, 4, 1}, {},
          {.share_weights = true});
}

TEST_CASE("planned layer: what can't be is refused before anything is put on the queue",
          "[cuda][layer]") {
  using batch = cuda::planned_batch<float, std::int32_t, float>;
  cuda_device device;
  cuda_device other(1);
  auto q = device.make_queue();
  auto far = other.make_queue();
  on_device<cuda_device, float> const w(device, q, std::vector<float>(16));
  on_device<cuda_device, float> const gates(device, q, std::vector<float>(4));
  on_device<cuda_device, std::int32_t> const ids(device, q, std::vector<std::int32_t>(4));
  on_device<cuda_device, float> const beyond(other, far, std::vector<float>(16));
  std::vector<float> host(16);
  linear_layer layer({4}, standard_ep{}, {0}, {{0, {{w.data()}}}}, {4, 1, 4, 1});
  batch const good{{w.data(), 4, 4}, {ids.data(), 4, 1}, {gates.data(), 4, 1}, {w.data(), 4, 4}};
  cuda_on_host::reset_thread_counts();
  auto const refused = [&](std::string const& words, auto const& change, cuda::queue& on) {
    std::vector<batch> batches{good};
    change(batches);
    check_refused(words, [&] { layer.forward(on, std::span<batch const>(batches)); });
  };
  auto const bad = [&](std::string const& words, auto const& change) {
    refused("rank 0: " + words, [&](auto& batches) { change(batches.front()); }, q);
  };
  refused("of another GPU", [](auto&) {}, far);
  refused("one batch a rank", [](auto& b) { b.clear(); }, q);
  bad("hidden: has 5 tokens, and may have 4", [](batch& b) { b.hidden.rows = 5; });
  bad("hidden: has a negative",
      [](batch& b) { b.hidden.rows = b.ids.rows = b.gates.rows = b.out.rows = -1; });
  bad("hidden: is 4 x 3, and must be 4 x 4", [](batch& b) { b.hidden.cols = 3; });
  bad("ids: is 3 x 1, and must be 4 x 1", [](batch& b) { b.ids.rows = 3; });
  bad("gates: is 4 x 2, and must be 4 x 1", [](batch& b) { b.gates.cols = 2; });
  bad("out: is 3 x 4", [](batch& b) { b.out.rows = 3; });
  bad("ids: has rows that overlap", [](batch& b) { b.ids.stride = 0; });
  bad("out: has rows that overlap", [](batch& b) { b.out.stride = 3; });
  bad("gates: is null", [](batch& b) { b.gates.data = nullptr; });
  bad("hidden: is host memory", [&](batch& b) { b.hidden.data = host.data(); });
  bad("out: is memory of GPU 1", [&](batch& b) { b.out.data = beyond.data(); });
  bad("ids: isn't aligned", [&](batch& b) {
    b.ids.data =
        reinterpret_cast<std::int32_t const*>(reinterpret_cast<std::byte const*>(b.ids.data) + 1);
  });
  CHECK(cuda_on_host::thread_counts().launches == 0);
}

// ---- other types and shapes -----------------------------------------------------------------

// Rows that lie further apart, with bytes in between that nobody may use.
template <class To, class From>
std::vector<To> spread(std::vector<From> const& packed, std::int64_t cols, std::int64_t stride) {
  std::vector<To> rows(packed.size() / at(cols) * at(stride), To(-77));
  for (std::size_t i = 0; i < packed.size(); ++i)
    rows[i / at(cols) * at(stride) + i % at(cols)] = static_cast<To>(packed[i]);
  return rows;
}

TEST_CASE("planned layer: 64-bit ids, double gates, rows with gaps, in place", "[cuda][layer]") {
  auto const of = busy_case();
  auto const width = of.family.hidden;
  auto const choices = of.choices;
  using layer_type = cuda::planned_layer<swiglu_expert<float>>;
  cuda_device device;
  auto q = device.make_queue();
  std::vector<on_device<cuda_device, float>> weights, x;
  std::vector<on_device<cuda_device, std::int64_t>> ids;
  std::vector<on_device<cuda_device, double>> gates;
  std::vector<layer_type::member> members;
  std::vector<cuda::planned_batch<float, std::int64_t, double>> batches;
  for (rank_id r = 0; r < std::ssize(of.tokens); ++r) {
    members.push_back({0, std::vector<layer_type::weight_blocks>(at(of.experts()))});
    for (expert_id e = 0; e < of.experts(); ++e)
      for (std::size_t b = 0; b < layer_type::blocks && of.owner[at(e)] == r; ++b) {
        weights.emplace_back(device, q, of.weights[at(e)][b]);
        members.back().native[at(e)][b] = weights.back().data();
      }
    auto const n = of.tokens[at(r)];
    x.emplace_back(device, q, spread<float>(of.part(of.x, r, width), width, width + 3));
    ids.emplace_back(device, q, spread<std::int64_t>(of.part(of.ids, r, choices), choices, 7));
    gates.emplace_back(device, q, spread<double>(of.part(of.gates, r, choices), choices, 5));
    batches.push_back({{x.back().data(), n, width, width + 3},
                       {ids.back().data(), n, choices, 7},
                       {gates.back().data(), n, choices, 5},
                       {x.back().data(), n, width, width + 3}});
  }
  auto const tokens = *std::max_element(of.tokens.begin(), of.tokens.end());
  layer_type layer(of.family, lends_a_lot, of.owner, members,
                   {std::ssize(of.ids), of.experts(), tokens, choices});
  layer.forward(q, std::span<cuda::planned_batch<float, std::int64_t, double> const>(batches));
  REQUIRE_FALSE(layer.status(q));
  auto const expected = of.dense(0).out;
  for (rank_id r = 0; r < std::ssize(of.tokens); ++r) {
    auto const got = x[at(r)].read();
    std::vector<float> rows;
    for (std::size_t i = 0; i < got.size(); ++i)
      if (i % at(width + 3) < at(width))
        rows.push_back(got[i]);
      else
        CHECK(got[i] == -77.0F);
    CHECK(largest_gap(rows, of.part(expected, r, width)) < 2e-5);
  }
}

}  // namespace
