// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <Eigen/Core>

#include <llep/backends/eigen/kernel.hpp>

#include "samples.hpp"

// One group of rows through an expert, H = F = 2880, against plain Eigen products of the same
// shapes (z.noalias() = x * w: as many products as the expert has).

namespace llep::bench {
namespace {

constexpr std::int64_t hidden = 2880;
constexpr std::int64_t inner = 2880;

template <class T>
std::vector<T> numbers(std::int64_t count, double scale) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> within(-scale, scale);
  std::vector<T> out(static_cast<std::size_t>(count));
  for (T& n : out) n = static_cast<T>(within(random));
  return out;
}

template <class Family>
void expert(benchmark::State& state, Family family, std::int64_t products,
            std::array<std::int64_t, Family::blocks> block_sizes, double target) {
  using T = typename Family::element;
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  row_count const rows = state.range(0);
  auto const x = numbers<T>(rows * hidden, 1);
  std::vector<T> y(x.size());
  std::array<std::vector<T>, Family::blocks> blocks;
  row_group<Family::blocks> group{0, 0, rows, {}};
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    blocks[b] = numbers<T>(block_sizes[b], 0.02);
    group.weights[b] = blocks[b].data();
  }
  eigen::kernel<Family> kernel(family, {});
  std::vector<std::byte> work(static_cast<std::size_t>(kernel.work_bytes(std::array{rows})));
  host_device::queue q;
  auto const w = numbers<T>(hidden * inner, 0.02);
  matrix z(rows, inner);
  Eigen::Map<matrix const> const plain_x(x.data(), rows, hidden);
  Eigen::Map<matrix const> const plain_w(w.data(), hidden, inner);
  double const flop = 2.0 * static_cast<double>(products * rows) * hidden * inner;
  compare(
      state, {flop, "GFLOP/s"}, "plain", target,
      [&] {
        kernel.forward(q, std::span(&group, 1), x.data(), y.data(), work.data());
        benchmark::ClobberMemory();
      },
      [&] {
        for (std::int64_t i = 0; i < products; ++i) {
          z.noalias() = plain_x * plain_w;
          benchmark::ClobberMemory();
        }
      });
}

// The rates that are wanted at 512 and at 64 rows; what other sizes cost is for information.
double target(row_count rows) {
  if (rows == 512) return 0.9;
  return rows == 64 ? 0.8 : 0.0;
}

template <class T>
void linear(benchmark::State& state) {
  expert(state, linear_expert<T>{hidden}, 1, {hidden * hidden}, target(state.range(0)));
}
template <class T>
void swiglu(benchmark::State& state) {
  constexpr std::int64_t size = hidden * inner;
  expert(state, swiglu_expert<T>{hidden, inner}, 3, {size, size, size}, target(state.range(0)));
}
template <class T>
void gptoss(benchmark::State& state) {
  constexpr std::int64_t size = hidden * inner;
  expert(state, gptoss_expert<T>{hidden, inner, T(1.702), T(7)}, 3,
         {2 * size, 2 * inner, size, hidden}, target(state.range(0)));
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("rows")->Arg(1)->Arg(8)->Arg(64)->Arg(512)->Arg(513);
  b->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(linear<float>)->Name("kernel/eigen/linear/H:2880/F:2880/f32")->Apply(sizes);
BENCHMARK(swiglu<float>)->Name("kernel/eigen/swiglu/H:2880/F:2880/f32")->Apply(sizes);
BENCHMARK(gptoss<float>)->Name("kernel/eigen/gptoss/H:2880/F:2880/f32")->Apply(sizes);
BENCHMARK(swiglu<double>)
    ->Name("kernel/eigen/swiglu/H:2880/F:2880/f64")
    ->ArgName("rows")
    ->Arg(64)
    ->Arg(512)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace llep::bench
