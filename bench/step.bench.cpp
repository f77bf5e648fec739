// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <llep/backends/eigen/kernel.hpp>
#include <llep/backends/emulated/run.hpp>
#include <llep/dispatcher.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>

#include "samples.hpp"

// A whole forward step on one rank against its kernel's call alone, on the same groups of rows:
// what agreeing, planning, packing and combining add. E = 32, K = 4, H = F = 512, f32.

namespace llep::bench {
namespace {

using kernel_type = eigen::kernel<swiglu_expert<float>>;
constexpr std::int32_t experts = 32;
constexpr std::int64_t choices = 4;
constexpr std::int64_t hidden = 512;
constexpr std::int64_t inner = 512;

struct layer {
  std::int64_t tokens;
  std::vector<float> weights;  // [3][H x F], of all experts
  std::vector<float> x, out;   // [T][H]
  std::vector<float> gates;    // [T][K]
  std::vector<std::int32_t> ids;
  std::vector<row_count> load;
  kernel_type kernel;

  explicit layer(std::int64_t tokens_)
      : tokens(tokens_),
        weights(3 * hidden * inner, 0.01F),
        x(static_cast<std::size_t>(tokens * hidden), 1.0F),
        out(x.size()),
        gates(static_cast<std::size_t>(tokens * choices), 0.25F),
        load(experts, 0),
        kernel({hidden, inner}, std::vector<kernel_type::weight_blocks>(
                                    experts, {weights.data(), weights.data() + hidden * inner,
                                              weights.data() + 2 * hidden * inner})) {
    std::mt19937_64 random(1);
    for (std::size_t i = 0; i < gates.size(); ++i) {
      ids.push_back(static_cast<std::int32_t>(random() % experts));
      ++load[static_cast<std::size_t>(ids.back())];
    }
  }
};

void step(benchmark::State& state) {
  layer in(state.range(0));
  std::vector<row_group<3>> groups;
  std::vector<row_count> rows_by_group;
  row_count first = 0;
  for (row_count const rows : in.load) {
    if (rows == 0) continue;
    groups.push_back({0, first, rows, in.kernel.native(0)});
    rows_by_group.push_back(rows);
    first += rows;
  }
  std::vector<float> rows(in.x.size() * choices, 1.0F);
  std::vector<float> results(rows.size());
  std::vector<std::byte> work(static_cast<std::size_t>(in.kernel.work_bytes(rows_by_group)));
  emulated::run(1, [&](auto& group) {
    host_device::queue q;
    auto moe = make_dispatcher<kernel_type>(q, group, contiguous_owners(experts, 1),
                                            fallback<least_loaded>{});
    double const flop =
        6.0 * static_cast<double>(in.tokens * choices) * static_cast<double>(hidden * inner);
    compare(
        state, {flop, "GFLOP/s"}, "kernel_alone", 0,
        [&] {
          moe.forward(q, in.kernel, matrix_ref<float const>(in.x.data(), in.tokens, hidden),
                      matrix_ref<std::int32_t const>(in.ids.data(), in.tokens, choices),
                      matrix_ref<float const>(in.gates.data(), in.tokens, choices),
                      matrix_ref<float>(in.out.data(), in.tokens, hidden));
          benchmark::ClobberMemory();
        },
        [&] {
          in.kernel.forward(q, groups, rows.data(), results.data(), work.data());
          benchmark::ClobberMemory();
        });
  });
}
BENCHMARK(step)
    ->Name("step/forward/P:1/E:32/K:4/H:512/F:512/f32")
    ->ArgName("T")
    ->Arg(1)
    ->Arg(64)
    ->Arg(1024)
    ->Arg(4096)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace llep::bench
