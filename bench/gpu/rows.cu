// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <llep/backends/cuda/device.cuh>

#include "arguments.hpp"
#include "device_memory.cuh"
#include "report.hpp"
#include "scenarios.hpp"
#include "timing.hpp"

// The device's row operations. What moves rows is held against a copy on the same GPU, taken by
// turns with it, which moves as many bytes: those read and those written.

namespace {

using namespace llep;
using namespace llep::bench;
using bf16 = cuda::bfloat16;

constexpr double copy_share = 0.85;  // wanted of the copy's rate
constexpr double index_us = 20;

/// A GPU to measure on.
struct bed {
  arguments const& given;
  report& to;
  cuda::device<> device{};
  cuda::queue q{};
  cache_sweep sweep{given.sized(byte_count{256} << 20U, byte_count{1} << 16U)};
  int rounds = given.sized(given.how == extent::quick ? 11 : 31, 2);
};

json_object sizes_of(layer_shape const& s) {
  return json_object()
      .add("T", s.tokens)
      .add("K", s.choices)
      .add("E", s.experts)
      .add("H", s.hidden);
}

/// An expert's rows in one segment, the experts one after the other.
struct placed_ids {
  device_array<std::int32_t> ids;
  device_array<std::int64_t> offsets;
  device_array<row_segment> segments;
  device_array<std::int32_t> slots;
  matrix_ref<std::int32_t const> chosen;

  placed_ids(layer_shape const& s, scenario const& in)
      : ids(random_ids(rows_by_expert(s.rows(), s.experts, in), 7)),
        slots(s.rows()),
        chosen(ids.data(), s.tokens, s.choices) {
    std::vector<std::int64_t> first;
    std::vector<row_segment> cuts;
    std::int64_t slot = 0;
    for (row_count const rows : rows_by_expert(s.rows(), s.experts, in)) {
      first.push_back(std::ssize(first));
      cuts.push_back({0, slot});
      slot += rows;
    }
    first.push_back(std::ssize(first));
    offsets = device_array(first);
    segments = device_array(cuts);
  }

  void index(bed& b) const {
    b.device.index(b.q, chosen, static_cast<std::int32_t>(segments.size()), offsets.data(),
                   segments.data(), slots.data());
  }
};

void count_and_index(bed& b, layer_shape const& s, scenario const& in) {
  placed_ids const p(s, in);
  device_array<std::int64_t> const bad(2);
  device_array<std::int64_t> const counts(s.experts);
  auto const us = medians_us(
      b.q, b.sweep, 3 * b.rounds, [&](int) { p.index(b); },
      [&](int) { b.device.count(b.q, p.chosen, s.experts, bad.data(), counts.data()); });
  auto const name = [&](char const* what) {
    return std::string("rows/") + what + "/" + std::to_string(s.rows()) +
           "/E:" + std::to_string(s.experts) + "/K:" + std::to_string(s.choices) + "/" + in.name();
  };
  b.to.add(time_below(name("index"), "us", us[0], index_us), sizes_of(s));
  b.to.add({name("count"), "us", us[1]}, sizes_of(s));
}

/// The rows of a layer on one rank: at home, and by token.
struct layer_rows {
  bed& b;
  layer_shape s;
  placed_ids placed;
  device_array<bf16> x, out, spread, target;
  device_array<float> gates, gate_grads;

  layer_rows(bed& on, layer_shape const& shape)
      : b(on),
        s(shape),
        placed(s, {80, 4}),
        x(random_array<bf16>(b.q, s.tokens * s.hidden, 1)),
        out(x.size()),
        spread(random_array<bf16>(b.q, s.rows() * s.hidden, 2)),
        target(spread.size()),
        gates(random_array<float>(b.q, s.rows(), 3)),
        gate_grads(gates.size()) {
    placed.index(b);
  }

  [[nodiscard]] std::int32_t const* slots() const { return placed.slots.data(); }
  [[nodiscard]] matrix_ref<float const> gate() const { return {gates.data(), s.tokens, s.choices}; }
  [[nodiscard]] matrix_ref<bf16 const> hidden() const { return {x.data(), s.tokens, s.hidden}; }
  [[nodiscard]] matrix_ref<bf16> result() const { return {out.data(), s.tokens, s.hidden}; }
  [[nodiscard]] byte_count row_bytes() const { return s.hidden * std::int64_t{sizeof(bf16)}; }

  /// ours() moves so many rows, read or written.
  template <class F>
  void against_copy(char const* what, row_count rows_moved, std::optional<double> target_ratio,
                    F ours) const {
    byte_count const half = rows_moved * row_bytes() / 2;
    auto const us = medians_us(
        b.q, b.sweep, b.rounds, [&](int) { ours(); },
        [&](int) { b.device.copy(b.q, target.data(), spread.data(), half); });
    auto const rate = [&](double time) { return 2 * static_cast<double>(half) / time / 1e3; };
    b.to.add(rate_against(std::string("rows/") + what + "/" + std::string(s.name) + "/bf16", "GB/s",
                          rate(us[0]), "device copy", rate(us[1]), target_ratio),
             sizes_of(s), json_object().add("us", us[0]).add("bytes", 2 * half));
  }
};

/// Rows as they come from P ranks, side by side, to be moved to their experts.
device_array<row_chunk> regroup_list(layer_shape const& s, std::int32_t ranks) {
  auto const load = rows_by_expert(s.rows() / ranks, s.experts, {80, 4});
  std::vector<row_chunk> chunks;
  std::vector<row_count> next(load.size(), 0);
  row_count slot = 0;
  for (std::size_t e = 0; e < load.size(); ++e) next[e] = slot, slot += load[e] * ranks;
  row_count from = 0;
  for (std::int32_t r = 0; r < ranks; ++r)
    for (std::size_t e = 0; e < load.size(); ++e) {
      if (load[e] == 0) continue;
      chunks.push_back({from, next[e], load[e]});
      from += load[e];
      next[e] += load[e];
    }
  return device_array(chunks);
}

void forward_rows(layer_rows const& r) {
  auto& b = r.b;
  r.against_copy("pack", r.s.tokens + r.s.rows(), copy_share, [&] {
    b.device.pack(b.q, reinterpret_cast<std::byte const*>(r.x.data()), r.row_bytes(), r.row_bytes(),
                  r.s.choices, r.slots(), r.s.rows(),
                  reinterpret_cast<std::byte*>(r.target.data()));
  });
  r.against_copy("combine", r.s.rows() + r.s.tokens, copy_share, [&] {
    b.device.combine(b.q, static_cast<bf16 const*>(r.spread.data()), r.slots(), r.gate(),
                     r.result());
  });
  constexpr std::int32_t ranks = 8;
  auto const chunks = regroup_list(r.s, ranks);
  r.against_copy("move_rows", 2 * (r.s.rows() / ranks * ranks), copy_share, [&] {
    b.device.move_rows(b.q, reinterpret_cast<std::byte const*>(r.spread.data()), r.row_bytes(),
                       chunks.data(), chunks.size(), reinterpret_cast<std::byte*>(r.target.data()));
  });
}

void backward_rows(layer_rows const& r) {
  auto& b = r.b;
  r.against_copy("pack_scaled", r.s.tokens + r.s.rows(), std::nullopt, [&] {
    b.device.pack_scaled(b.q, r.hidden(), r.gate(), r.slots(), r.target.data());
  });
  r.against_copy("sum", r.s.rows() + r.s.tokens, std::nullopt, [&] {
    b.device.sum(b.q, static_cast<bf16 const*>(r.spread.data()), r.slots(), r.s.choices,
                 r.result());
  });
  r.against_copy("gate_gradient", r.s.rows() + r.s.tokens, std::nullopt, [&] {
    b.device.gate_gradient(b.q, static_cast<bf16 const*>(r.spread.data()), r.slots(), r.hidden(),
                           matrix_ref<float>(r.gate_grads.data(), r.s.tokens, r.s.choices));
  });
}

/// Gradients of lent weights are added to their owner's: two are read, one is written.
void accumulate(bed& b, layer_shape const& s) {
  std::int64_t const n = 3 * s.hidden * s.inner;
  auto const from = random_array<float>(b.q, n, 1);
  auto const sum = random_array<float>(b.q, n, 2);
  auto const copied = device_array<float>(n * 3 / 2);
  auto const source = random_array<float>(b.q, n * 3 / 2, 3);
  auto const us = medians_us(
      b.q, b.sweep, b.rounds, [&](int) { b.device.accumulate(b.q, from.data(), n, sum.data()); },
      [&](int) {
        b.device.copy(b.q, copied.data(), source.data(), static_cast<byte_count>(copied.bytes()));
      });
  auto const rate = [&](double time) {
    return 3 * static_cast<double>(n) * sizeof(float) / time / 1e3;
  };
  b.to.add(rate_against("rows/accumulate/" + std::string(s.name) + "/f32", "GB/s", rate(us[0]),
                        "device copy", rate(us[1])),
           json_object().add("elements", n), json_object().add("us", us[0]));
}

void measure(arguments const& given, report& to) {
  bed b{given, to};
  time_budget const budget(given.seconds);
  std::int64_t const rows = given.sized(131072, 512);
  for (std::int32_t const experts : {128, 256})
    for (std::int64_t const choices : {4, 8})
      count_and_index(b, {"", expert_kind::swiglu, experts, choices, 0, 0, rows / choices}, {});
  count_and_index(b, {"", expert_kind::swiglu, 128, 4, 0, 0, rows / 4}, {95, 1});
  for (layer_shape s : paper_models) {
    if (s.name == "Kimi-K2") continue;  // rows as DeepSeek-V3's
    if (!budget.is_left()) {
      to.not_run("rows/" + std::string(s.name), "no time left");
      continue;
    }
    if (given.tiny()) s.tokens = 24, s.hidden = 72, s.inner = 40;
    layer_rows const r(b, s);
    forward_rows(r);
    if (given.how != extent::quick) backward_rows(r);
    accumulate(b, s);
  }
}

}  // namespace

int main(int argc, char** argv) { return run_program(argc, argv, measure); }
