// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include <llep/device/host.hpp>

#include "samples.hpp"

// Row operations of the host device against memcpy. Counted are the bytes that are read and the
// bytes that are written; memcpy moves as many. H = 2880, K = 4.

namespace llep::bench {
namespace {

constexpr std::int64_t hidden = 2880;
constexpr std::int64_t choices = 4;
constexpr double wanted = 0.7;

struct rows {
  std::int64_t tokens;
  std::vector<float> x;             // [T][H]
  std::vector<float> spread;        // [T x K][H]
  std::vector<float> target;        // as many
  std::vector<float> gates;         // [T][K]
  std::vector<std::int32_t> slots;  // [T x K], a permutation, as a step's: rows of an expert ascend
  std::vector<row_chunk> chunks;    // the same rows in pieces
  host_device device;
  host_device::queue q;

  explicit rows(std::int64_t tokens_)
      : tokens(tokens_),
        x(static_cast<std::size_t>(tokens * hidden), 1.0F),
        spread(x.size() * choices, 1.0F),
        target(spread.size(), 0.0F),
        gates(static_cast<std::size_t>(tokens * choices), 0.25F),
        slots(gates.size()) {
    std::mt19937_64 random(1);
    std::vector<std::int32_t> expert(slots.size());
    for (auto& e : expert) e = static_cast<std::int32_t>(random() % 32);
    std::vector<std::int32_t> order(slots.size());
    std::iota(order.begin(), order.end(), 0);
    auto const key = [&](std::int32_t i) { return expert[static_cast<std::size_t>(i)]; };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int32_t a, std::int32_t b) { return key(a) < key(b); });
    for (std::size_t s = 0; s < order.size(); ++s)
      slots[static_cast<std::size_t>(order[s])] = static_cast<std::int32_t>(s);
    constexpr std::int64_t piece_rows = 16;
    for (std::int64_t from = 0; from < row_total(); from += piece_rows)
      chunks.push_back({from, 0, std::min(piece_rows, row_total() - from)});
    std::shuffle(chunks.begin(), chunks.end(), random);
    for (std::int64_t to = 0; auto& chunk : chunks) chunk.to = std::exchange(to, to + chunk.rows);
  }

  [[nodiscard]] std::int64_t row_total() const { return tokens * choices; }
  [[nodiscard]] double row_bytes() const { return hidden * sizeof(float); }
};

// Half of the bytes are read, half are written.
void copy_bytes(rows& r, double bytes) {
  std::memcpy(r.target.data(), r.spread.data(), static_cast<std::size_t>(bytes / 2));
  benchmark::ClobberMemory();
}

void against_memcpy(benchmark::State& state, rows& r, double bytes, auto ours) {
  compare(
      state, {bytes, "GB/s"}, "memcpy", wanted,
      [&] {
        ours();
        benchmark::ClobberMemory();
      },
      [&] { copy_bytes(r, bytes); });
}

void pack(benchmark::State& state) {
  rows r(state.range(0));
  auto const bytes = static_cast<std::int64_t>(r.row_bytes());
  against_memcpy(state, r, 2 * static_cast<double>(r.row_total()) * r.row_bytes(), [&] {
    r.device.pack(r.q, reinterpret_cast<std::byte const*>(r.x.data()), bytes, bytes, choices,
                  r.slots.data(), r.row_total(), reinterpret_cast<std::byte*>(r.target.data()));
  });
}

void regroup(benchmark::State& state) {
  rows r(state.range(0));
  against_memcpy(state, r, 2 * static_cast<double>(r.row_total()) * r.row_bytes(), [&] {
    r.device.move_rows(r.q, reinterpret_cast<std::byte const*>(r.spread.data()),
                       static_cast<byte_count>(r.row_bytes()), r.chunks.data(),
                       std::ssize(r.chunks), reinterpret_cast<std::byte*>(r.target.data()));
  });
}

void combine(benchmark::State& state) {
  rows r(state.range(0));
  against_memcpy(state, r, static_cast<double>(r.row_total() + r.tokens) * r.row_bytes(), [&] {
    r.device.combine(r.q, r.spread.data(), r.slots.data(),
                     matrix_ref<float const>(r.gates.data(), r.tokens, choices),
                     matrix_ref<float>(r.x.data(), r.tokens, hidden));
  });
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgName("T")->Arg(64)->Arg(512)->Arg(4096)->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK(pack)->Name("rows/pack/H:2880/K:4/f32")->Apply(sizes);
BENCHMARK(regroup)->Name("rows/regroup/H:2880/K:4/f32")->Apply(sizes);
BENCHMARK(combine)->Name("rows/combine/H:2880/K:4/f32")->Apply(sizes);

}  // namespace
}  // namespace llep::bench
