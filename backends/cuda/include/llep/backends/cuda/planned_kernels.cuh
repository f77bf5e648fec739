// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/block_tools.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/tiles.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// What ranks do with a plan in device memory. None of it is followed unless its status is ok.

[[nodiscard]] __device__ inline bool can_be_followed(planned_block const& plan) {
  return plan.status->outcome == plan_outcome::ok;
}

/// Where a (token, choice) is computed.
struct row_place {
  rank_id rank;
  std::int32_t slot;
};

/// Where the blocks of all experts lie, and those that are lent to a rank.
template <std::size_t Blocks>
struct expert_weights {
  void const* const* native;  // [E][Blocks], at their owners
  std::byte* lent;            // room for one expert after the other; null: nothing is copied
  byte_count lent_stride;     // from one to the next
  byte_count offset[Blocks];  // of a block in there
  byte_count bytes[Blocks];

  [[nodiscard]] __device__ std::byte* lent_block(std::int32_t which, std::size_t b) const {
    return lent + which * lent_stride + offset[b];
  }
};

/// Packed ids that stand for good ones: a bad one is 0, which is never followed.
template <class Id>
__global__ void tame_ids(matrix_ref<Id const> ids, std::int32_t experts, std::int32_t* out) {
  std::int64_t const i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= ids.rows * ids.cols) return;
  Id const id = ids.data[i / ids.cols * ids.stride + i % ids.cols];
  out[i] = id >= 0 && id < experts ? static_cast<std::int32_t>(id) : 0;
}

/// A rank's groups as products take them. One block.
template <std::size_t Blocks>
__global__ void place_groups(planned_block plan, rank_id me, expert_weights<Blocks> weights,
                             placed_group<Blocks>* groups, std::int64_t* tiles_before,
                             std::int32_t* count) {
  __shared__ running_sum::memory sums;
  std::int32_t const begin = plan.group_offsets[me];
  std::int32_t const n = can_be_followed(plan) ? plan.group_offsets[me + 1] - begin : 0;
  std::int32_t const native = n - plan.lent_experts[me];
  auto const thread = static_cast<std::int32_t>(threadIdx.x);
  running_sum tiles(sums);
  for (std::int32_t first = 0; first < n; first += static_cast<std::int32_t>(blockDim.x)) {
    std::int32_t const g = first + thread;
    planned_group const from = g < n ? plan.groups[begin + g] : planned_group{};
    auto const here = static_cast<std::uint64_t>(tiles_of(from.rows, tile::rows));
    std::uint64_t const before = tiles.before(here);
    if (g >= n) continue;
    placed_group<Blocks> to;
    to.first = from.first;
    to.rows = from.rows;
    to.compact = from.first;
    bool const is_copy = g >= native && weights.lent != nullptr;
    for (std::size_t b = 0; b < Blocks; ++b)
      to.weights[b] = is_copy ? weights.lent_block(g - native, b)
                              : weights.native[static_cast<std::size_t>(from.expert) * Blocks + b];
    groups[g] = to;
    tiles_before[g] = static_cast<std::int64_t>(before);
  }
  if (thread == 0) {
    tiles_before[n] = static_cast<std::int64_t>(tiles.total());
    *count = n;
  }
}

/// Copies what is lent to a rank from the owners: the same part of each block of an expert at a
/// time.
template <class Word, std::size_t Blocks>
__global__ void lend_blocks(planned_block plan, rank_id me, expert_weights<Blocks> weights) {
  constexpr std::int32_t parts = 64;
  std::int32_t const lent = can_be_followed(plan) ? plan.lent_experts[me] : 0;
  std::int32_t const first = plan.group_offsets[me + 1] - lent;
  for (auto item = static_cast<std::int32_t>(blockIdx.x); item < lent * parts;
       item += static_cast<std::int32_t>(gridDim.x)) {
    std::int32_t const which = item / parts;
    std::int32_t const part = item % parts;
    auto const e = static_cast<std::size_t>(plan.groups[first + which].expert);
#pragma unroll
    for (std::size_t b = 0; b < Blocks; ++b) {
      std::int64_t const words = weights.bytes[b] / static_cast<byte_count>(sizeof(Word));
      std::int64_t const end = words * (part + 1) / parts;
      auto const* const from = static_cast<Word const*>(weights.native[e * Blocks + b]);
      auto* const to = reinterpret_cast<Word*>(weights.lent_block(which, b));
      for (std::int64_t i = words * part / parts + threadIdx.x; i < end; i += blockDim.x)
        to[i] = from[i];
    }
  }
}

/// The place of the rank's nth row of an expert.
[[nodiscard]] __device__ inline row_place place_of(planned_block const& plan, rank_id me,
                                                   expert_id e, std::int32_t nth) {
  row_count const row = plan.base[std::int64_t{me} * plan.experts + e] + nth;
  placed_span const* const spans = plan.spans + plan.span_offsets[e];
  std::int32_t const i = entry_of(row, plan.span_offsets[e + 1] - plan.span_offsets[e],
                                  [&](std::int32_t s) { return spans[s].begin; });
  return {spans[i].rank, static_cast<std::int32_t>(spans[i].slot + (row - spans[i].begin))};
}

/// Row t of x goes to where its choices are computed, in those ranks' areas. Block t has token t.
template <class Word>
__global__ void dispatch_tokens(planned_block plan, rank_id me, std::byte const* x,
                                std::int64_t words, byte_count stride_bytes, std::int64_t choices,
                                std::int32_t const* experts, std::int32_t const* nth,
                                void* const* areas, row_place* places) {
  if (!can_be_followed(plan)) return;
  std::int64_t const first = blockIdx.x * choices;
  row_place* const mine = places + first;
  for (std::int64_t k = threadIdx.x; k < choices; k += blockDim.x)
    mine[k] = place_of(plan, me, experts[first + k], nth[first + k]);
  __syncthreads();
  auto const* const from = reinterpret_cast<Word const*>(x + blockIdx.x * stride_bytes);
  for (std::int64_t c = threadIdx.x; c < words; c += blockDim.x) {
    Word const word = from[c];
    for (std::int64_t k = 0; k < choices; ++k)
      static_cast<Word*>(areas[mine[k].rank])[mine[k].slot * words + c] = word;
  }
}

/// out[t] = sum over k, ascending, of gates[t][k] x the row computed for it, or NaNs if no plan was
/// followed. Block t has token t.
template <class Vector, class Row, class Gate>
__global__ void combine_tokens(planned_block plan, row_place const* places, void* const* areas,
                               matrix_ref<Gate const> gates, Row nan, matrix_ref<Row> out) {
  constexpr std::size_t width = sizeof(Vector) / sizeof(Row);
  using number = accumulator_t<Row>;
  std::int64_t const t = blockIdx.x;
  row_place const* const mine = places + t * gates.cols;
  bool const follows = can_be_followed(plan);
  std::int64_t const choices = follows ? gates.cols : 0;
  for (std::int64_t c = threadIdx.x; c < out.cols / std::int64_t{width}; c += blockDim.x) {
    Vector result;
    number sum[width] = {};
#pragma unroll 4
    for (std::int64_t k = 0; k < choices; ++k) {
      auto const* const y = static_cast<Row const*>(areas[mine[k].rank]) + mine[k].slot * out.cols;
      Vector const from = reinterpret_cast<Vector const*>(y)[c];
      auto const gate = static_cast<number>(gates.data[t * gates.stride + k]);
      for (std::size_t j = 0; j < width; ++j) sum[j] += gate * loaded(from.at[j]);
    }
    for (std::size_t j = 0; j < width; ++j) result.at[j] = follows ? stored<Row>(sum[j]) : nan;
    reinterpret_cast<Vector*>(out.data + t * out.stride)[c] = result;
  }
}

}  // namespace llep::cuda::detail
