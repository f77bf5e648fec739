// SPDX-License-Identifier: Apache-2.0
#include <cublas_v2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/cuda/blas_streams.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/schedule.hpp>

#include "arguments.hpp"
#include "layer_bed.cuh"
#include "report.hpp"
#include "scenarios.hpp"
#include "timing.hpp"

// The rate of the experts' kernel against the best bf16 product of the same run; calls of one
// product an expert against grouped ones. Operations are those of the products.

namespace {

using namespace llep;
using namespace llep::bench;

constexpr double share_of_best = 0.93;
constexpr double share_in_plans = 0.88;

/// A GPU to measure on, and its best product.
struct bed {
  arguments const& given;
  report& to;
  cuda::queue q{};
  cache_sweep sweep{given.sized(byte_count{256} << 20U, byte_count{1} << 16U)};
  int rounds = given.sized(given.how == extent::quick ? 7 : 15, 2);
  double best_tflops = 0;
};

/// Time of c = a b, row-major, random.
double product_us(bed& b, std::int64_t rows, std::int64_t in, std::int64_t out) {
  auto const x = random_array<bf16>(b.q, rows * in, 1);
  auto const w = random_array<bf16>(b.q, in * out, 2, 0.02F);
  device_array<bf16> const y(rows * out);
  cuda::blas_streams<> streams(1);
  float const one = 1;
  float const zero = 0;
  auto const run = [&](int) {
    streams.fork(b.q, [&](auto lane) {
      auto const size = cuda::detail::blas_size;
      cuda::check(cublasGemmEx(lane(0).handle.get(), CUBLAS_OP_N, CUBLAS_OP_N, size(out),
                               size(rows), size(in), &one, w.data(), CUDA_R_16BF, size(out),
                               x.data(), CUDA_R_16BF, size(in), &zero, y.data(), CUDA_R_16BF,
                               size(out), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                  "cublasGemmEx");
    });
  };
  return medians_us(b.q, b.sweep, b.rounds, run).front();
}

void find_best(bed& b) {
  struct shape {
    std::int64_t rows, in, out;
  };
  std::vector<shape> shapes{{4096, 4096, 4096}, {8192, 8192, 8192}, {16384, 8192, 8192}};
  for (layer_shape const& s : paper_models) {
    shapes.push_back({4096, s.hidden, 2 * s.inner});
    shapes.push_back({4096, s.inner, s.hidden});
    shapes.push_back({16384, s.hidden, 2 * s.inner});
  }
  if (b.given.tiny()) shapes = {{32, 16, 24}};
  for (auto const& [rows, in, out] : shapes) {
    double const flop = 2.0 * static_cast<double>(rows) * static_cast<double>(in * out);
    double const rate = flop / product_us(b, rows, in, out) / 1e6;
    b.best_tflops = (std::max)(b.best_tflops, rate);
    b.to.add({"experts/one product/" + std::to_string(rows) + "x" + std::to_string(in) + "x" +
                  std::to_string(out),
              "TFLOP/s", rate},
             json_object().add("rows", rows).add("in", in).add("out", out));
  }
}

json_object sizes_of(layer_shape const& s, std::int64_t groups, row_count rows) {
  return json_object().add("H", s.hidden).add("F", s.inner).add("groups", groups).add("rows", rows);
}

/// Rows by group: the first `native` ones come in a call of their own.
struct group_rows {
  std::vector<row_count> rows;
  std::size_t native;

  [[nodiscard]] row_count total() const {
    row_count sum = 0;
    for (row_count const n : rows) sum += n;
    return sum;
  }
};

/// The experts of a layer, each with weights of its own, and memory for their rows.
template <class K, class Family>
class expert_calls {
 public:
  static constexpr std::size_t blocks = K::blocks;

  expert_calls(bed& b, layer_shape const& s, Family const& family, std::int64_t experts)
      : bed_(b),
        shape_(s),
        pool_(b.q, s, family, experts),
        streams_(std::make_shared<typename K::streams_type>(cuda::blas_options{}.streams)) {}

  /// TFLOP/s of forward, with each of the options.
  [[nodiscard]] std::vector<double> forward(group_rows const& in,
                                            std::vector<cuda::blas_options> const& options) {
    auto const groups = list(in);
    std::span<row_group<blocks> const> const all(groups);
    make_room(in.total() * shape_.hidden, x_);
    make_room(in.total() * shape_.hidden, y_);
    std::vector<double> rates;
    for (auto const& how : options) {
      K kernel = pool_.kernel(static_cast<std::int32_t>(pool_.size()), 0, how, streams_);
      device_array<std::byte> const work(kernel.work_bytes(in.rows));
      auto const run = [&](int) {
        auto const lent = all.subspan(in.native);
        kernel.forward(bed_.q, all.first(in.native), x_.data(), y_.data(), work.data());
        if (!lent.empty()) kernel.forward(bed_.q, lent, x_.data(), y_.data(), work.data());
      };
      double const us = medians_us(bed_.q, bed_.sweep, bed_.rounds, run).front();
      rates.push_back(flop(in) / us / 1e6);
    }
    return rates;
  }

  /// TFLOP/s of backward with what forward saved.
  [[nodiscard]] double backward(group_rows const& in) {
    K kernel = pool_.kernel(static_cast<std::int32_t>(pool_.size()), 0, {}, streams_);
    std::int64_t each = 0;
    for (std::size_t b = 0; b < blocks; ++b) each += kernel.grad_elements(b);
    device_array<float> const sums(each * std::ssize(in.rows));
    cuda::check(cudaMemsetAsync(sums.data(), 0, sums.bytes(), bed_.q.stream()), "cudaMemsetAsync");
    std::vector<gradient_group<blocks>> groups;
    float* at = sums.data();
    for (auto const& g : list(in)) {
      auto& back =
          groups.emplace_back(gradient_group<blocks>{g.expert, g.first, g.rows, g.weights, {}});
      for (std::size_t b = 0; b < blocks; ++b)
        back.grads[b] = std::exchange(at, at + kernel.grad_elements(b));
    }
    make_room(in.total() * shape_.hidden, x_);
    make_room(in.total() * shape_.hidden, y_);
    auto const gy = random_array<bf16>(bed_.q, in.total() * shape_.hidden, 8);
    device_array<std::byte> const saved(in.total() * kernel.saved_row_bytes());
    randomize(bed_.q, reinterpret_cast<bf16*>(saved.data()), saved.size() / 2, 9);
    device_array<std::byte> const work(kernel.backward_work_bytes(in.rows));
    std::span<gradient_group<blocks> const> const all(groups);
    auto const run = [&](int) {
      kernel.backward(bed_.q, all, x_.data(), saved.data(), gy.data(), y_.data(), work.data());
    };
    return 2 * flop(in) / medians_us(bed_.q, bed_.sweep, bed_.rounds, run).front() / 1e6;
  }

 private:
  [[nodiscard]] double flop(group_rows const& in) const {
    return shape_.flop_per_row() * static_cast<double>(in.total());
  }
  [[nodiscard]] std::vector<row_group<blocks>> list(group_rows const& in) const {
    std::vector<row_group<blocks>> groups;
    row_count first = 0;
    for (std::size_t g = 0; g < in.rows.size(); ++g) {
      auto& group = groups.emplace_back();
      group.expert = static_cast<expert_id>(g);
      group.first = std::exchange(first, first + in.rows[g]);
      group.rows = in.rows[g];
      auto const& weights = pool_.expert(static_cast<std::int64_t>(g) % pool_.size());
      std::copy(weights.begin(), weights.end(), group.weights.begin());
    }
    return groups;
  }
  void make_room(std::int64_t n, device_array<bf16>& in) {
    if (in.size() >= n) return;
    in = {};  // before there is more
    in = random_array<bf16>(bed_.q, n, 7);
  }

  bed& bed_;
  layer_shape shape_;
  expert_pool<K, Family> pool_;
  std::shared_ptr<typename K::streams_type> streams_;
  device_array<bf16> x_, y_;
};

/// The groups of the rank that has most of them under LLEP.
group_rows planned_groups(layer_shape const& s, scenario const& in) {
  constexpr std::int32_t ranks = 8;
  posed_problem const given(ranks, s.rows(), s.experts, in);
  problem const posed = given.view();
  fallback<least_loaded>::memory memory;
  plan made;
  fallback<least_loaded>{}.plan(posed, memory, made);
  std::vector<piece> pieces;
  global_order::memory none;
  global_order{}.arrange(posed, made, none, pieces);
  schedule steps;
  steps.build(posed, made, pieces, 0);
  rank_id most = 0;
  for (rank_id r = 1; r < ranks; ++r)
    if (steps.experts(r).size() > steps.experts(most).size()) most = r;
  auto const rows = steps.rows_by_group(most);
  return {{rows.begin(), rows.end()}, rows.size() - steps.lent(most)};
}

template <class Calls>
void even_groups(bed& b, layer_shape const& s, Calls& calls) {
  std::int64_t const experts = b.given.sized(32, 3);
  row_count const rows = b.given.sized(4096, 8);
  group_rows const in{std::vector<row_count>(static_cast<std::size_t>(experts), rows),
                      static_cast<std::size_t>(experts)};
  auto const name = [&](char const* what) {
    return "experts/" + std::string(what) + "/" + std::string(s.name) + "/" +
           std::to_string(experts) + "x" + std::to_string(rows);
  };
  auto const sizes = sizes_of(s, experts, in.total());
  b.to.add(rate_against(name("forward"), "TFLOP/s", calls.forward(in, {{}}).front(), "best product",
                        b.best_tflops, share_of_best),
           sizes);
  b.to.add(
      rate_against(name("backward"), "TFLOP/s", calls.backward(in), "best product", b.best_tflops),
      sizes);
}

template <class Calls>
void groups_of_plans(bed& b, layer_shape const& s, Calls& calls) {
  for (scenario const& in : {scenario{80, 4}, scenario{50, 16}, scenario{95, 1}, scenario{30, 4}}) {
    auto const groups = planned_groups(s, in);
    if (groups.rows.empty() || groups.native == 0) continue;
    b.to.add(rate_against("experts/LLEP plan/" + std::string(s.name) + "/" + in.name(), "TFLOP/s",
                          calls.forward(groups, {{}}).front(), "best product", b.best_tflops,
                          share_in_plans),
             sizes_of(s, std::ssize(groups.rows), groups.total()));
  }
}

/// The paper's figure 8, and from where on a product each is faster than one grouped product.
template <class Calls>
void loop_against_grouped(bed& b, layer_shape const& s, Calls& calls) {
  constexpr row_count always = row_count{1} << 40U;
  std::int64_t const experts = b.given.sized(32, 3);
  row_count loop_from = 0;  // 0: not yet
  for (row_count rows = 8; rows <= b.given.sized(8192, 16); rows *= 2) {
    group_rows const in{std::vector<row_count>(static_cast<std::size_t>(experts), rows),
                        static_cast<std::size_t>(experts)};
    auto const rates =
        calls.forward(in, {{.grouped_below_rows = 0}, {.grouped_below_rows = always}});
    if (rates[0] < rates[1])
      loop_from = 0;
    else if (loop_from == 0)
      loop_from = rows;
    b.to.add(rate_against("experts/loop or grouped/" + std::string(s.name) + "/" +
                              std::to_string(experts) + "x" + std::to_string(rows),
                          "TFLOP/s", rates[0], "grouped", rates[1]),
             sizes_of(s, experts, in.total()));
  }
  if (loop_from > 0)
    b.to.add({"experts/grouped_below_rows by this run/" + std::string(s.name), "rows",
              static_cast<double>(loop_from)},
             sizes_of(s, experts, 0),
             json_object().add("as it is", cuda::blas_options{}.grouped_below_rows));
}

void measure(arguments const& given, report& to) {
  bed b{given, to};
  time_budget const budget(given.seconds);
  find_best(b);
  for (layer_shape s : paper_models) {
    if (!budget.is_left()) {
      to.not_run("experts/" + std::string(s.name), "no time left");
      continue;
    }
    if (given.tiny()) s.tokens = 32, s.hidden = 48, s.inner = 24;
    with_family(s, [&]<class K, class Family>(Family const& family) {
      std::int64_t const experts = given.sized((std::max)(32, s.experts / 8), 4);
      expert_calls<K, Family> calls(b, s, family, experts);
      even_groups(b, s, calls);
      groups_of_plans(b, s, calls);
      if (s.name != "Kimi-K2" && given.how != extent::quick) loop_against_grouped(b, s, calls);
    });
  }
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, measure); }
