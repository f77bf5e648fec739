// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include <Eigen/Core>

#include <llep/backends/eigen/kernel.hpp>

#include "samples.hpp"

// One group of rows through an expert and back, H = F = 2880, against plain Eigen products of the
// same shapes, as many as the expert has: z.noalias() = x * w, and on the way back gx.noalias() +=
// gz * w^T and gw.noalias() += x^T * gz.

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

template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A family's blocks, the gradients by them, and rows.
template <class Family>
struct sample {
  using T = typename Family::element;

  Family family;
  std::vector<T> x, y;
  std::array<std::vector<T>, Family::blocks> blocks, grads;
  gradient_group<Family::blocks> back;

  sample(Family f, row_count rows)
      : family(f), x(numbers<T>(rows * hidden, 1)), y(x.size()), back{0, 0, rows, {}, {}} {
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      blocks[b] = numbers<T>(family.block_elements()[b], 0.02);
      grads[b].resize(blocks[b].size());
      back.weights[b] = blocks[b].data();
      back.grads[b] = grads[b].data();
    }
  }
};

template <class Family>
void expert(benchmark::State& state, Family family, std::int64_t products, double target) {
  using T = typename Family::element;
  row_count const rows = state.range(0);
  sample<Family> data(family, rows);
  row_group<Family::blocks> const group{0, 0, rows, data.back.weights};
  eigen::kernel<Family> kernel(family, {});
  std::vector<std::byte> work(static_cast<std::size_t>(kernel.work_bytes(std::array{rows})));
  host_device::queue q;
  auto const w = numbers<T>(hidden * inner, 0.02);
  matrix<T> z(rows, inner);
  Eigen::Map<matrix<T> const> const plain_x(data.x.data(), rows, hidden);
  Eigen::Map<matrix<T> const> const plain_w(w.data(), hidden, inner);
  double const flop = 2.0 * static_cast<double>(products * rows) * hidden * inner;
  compare(
      state, {flop, "GFLOP/s"}, "plain", target,
      [&] {
        kernel.forward(q, std::span(&group, 1), data.x.data(), data.y.data(), work.data());
        benchmark::ClobberMemory();
      },
      [&] {
        for (std::int64_t i = 0; i < products; ++i) {
          z.noalias() = plain_x * plain_w;
          benchmark::ClobberMemory();
        }
      });
}

/// The products of a gated expert's way back, as a user of Eigen would write them.
template <class T>
class plain_gradients {
 public:
  /// @param parts  blocks that make inner activations; they are `width` wide
  plain_gradients(row_count rows, std::int64_t parts, std::int64_t width)
      : parts_(parts),
        x_(matrix<T>::Random(rows, hidden)),
        gx_(rows, hidden),
        z_(matrix<T>::Random(rows, width)),
        h_(matrix<T>::Random(rows, inner)),
        into_(matrix<T>::Random(hidden, width)),
        down_(matrix<T>::Random(inner, hidden)),
        grad_into_(matrix<T>::Zero(hidden, width)),
        grad_down_(matrix<T>::Zero(inner, hidden)) {}

  void operator()(bool saved) {
    for (std::int64_t i = 0; !saved && i < parts_; ++i) z_.noalias() = x_ * into_;
    h_.noalias() = x_ * down_.transpose();
    grad_down_.noalias() += h_.transpose() * x_;
    for (std::int64_t i = 0; i < parts_; ++i) {
      gx_.noalias() += z_ * into_.transpose();
      grad_into_.noalias() += x_.transpose() * z_;
    }
    benchmark::ClobberMemory();
  }

 private:
  std::int64_t parts_;
  matrix<T> x_, gx_, z_, h_, into_, down_, grad_into_, grad_down_;
};

template <class Family>
void backward(benchmark::State& state, Family family, std::int64_t parts) {
  using T = typename Family::element;
  row_count const rows = state.range(0);
  bool const saved = state.range(1) != 0;
  sample<Family> data(family, rows);
  eigen::kernel<Family> kernel(family, {});
  std::vector<T> const kept(static_cast<std::size_t>(rows * kernel.saved_row_bytes()) / sizeof(T));
  auto const gy = numbers<T>(rows * hidden, 1);
  std::vector<std::byte> work(
      static_cast<std::size_t>(kernel.backward_work_bytes(std::array{rows})));
  host_device::queue q;
  plain_gradients<T> plain(rows, parts, 2 * inner / parts);
  double const flop = 2.0 * static_cast<double>((saved ? 6 : 8) * rows) * hidden * inner;
  compare(
      state, {flop, "GFLOP/s"}, "plain", 0.0,
      [&] {
        kernel.backward(q, std::span(&data.back, 1), data.x.data(), saved ? kept.data() : nullptr,
                        gy.data(), data.y.data(), work.data());
        benchmark::ClobberMemory();
      },
      [&] { plain(saved); });
}

// The rates that are wanted at 512 and at 64 rows; what other sizes cost is for information.
double target(row_count rows) {
  if (rows == 512) return 0.9;
  return rows == 64 ? 0.8 : 0.0;
}

template <class T>
void linear(benchmark::State& state) {
  expert(state, linear_expert<T>{hidden}, 1, target(state.range(0)));
}
template <class T>
void swiglu(benchmark::State& state) {
  expert(state, swiglu_expert<T>{hidden, inner}, 3, target(state.range(0)));
}
template <class T>
void gptoss(benchmark::State& state) {
  expert(state, gptoss_expert<T>{hidden, inner}, 3, target(state.range(0)));
}
template <class T>
void swiglu_backward(benchmark::State& state) {
  backward(state, swiglu_expert<T>{hidden, inner}, 2);
}
template <class T>
void gptoss_backward(benchmark::State& state) {
  backward(state, gptoss_expert<T>{hidden, inner}, 1);
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

void gradient_sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "saved"})->ArgsProduct({{8, 64, 512, 513}, {1, 0}});
  b->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(swiglu_backward<float>)
    ->Name("kernel/eigen_backward/swiglu/H:2880/F:2880/f32")
    ->Apply(gradient_sizes);
BENCHMARK(gptoss_backward<float>)
    ->Name("kernel/eigen_backward/gptoss/H:2880/F:2880/f32")
    ->Apply(gradient_sizes);

}  // namespace
}  // namespace llep::bench
