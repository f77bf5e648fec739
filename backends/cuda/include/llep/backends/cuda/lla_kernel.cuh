// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/block_tools.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/lla_schedule.cuh>
#include <llep/backends/cuda/lla_walk.cuh>
#include <llep/backends/cuda/plan_lists.cuh>
#include <llep/backends/cuda/plan_settings.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/error.hpp>

namespace llep::cuda {

namespace detail {

/// A product of a row count and a factor below 2^22, which 64 bits don't hold.
struct wide_product {
  static constexpr unsigned low_bits = 40;
  std::uint64_t high;
  std::uint64_t low;

  __device__ wide_product(row_count rows, std::uint64_t factor) {
    constexpr std::uint64_t mask = (std::uint64_t{1} << low_bits) - 1;
    auto const all = static_cast<std::uint64_t>(rows);
    std::uint64_t const below = (all & mask) * factor;
    low = below & mask;
    high = (all >> low_bits) * factor + (below >> low_bits);
  }
  [[nodiscard]] __device__ bool at_least(wide_product const& other) const {
    return high != other.high ? high > other.high : low >= other.low;
  }
};

/// What a walk and its start share: decided by the first warp.
struct plan_decision {
  bool walks;
  row_count limit;
};

/// llep::capacity in 64 bits. alpha / P is the fraction millionths / (P x 10^6), below 1 or without
/// effect, and P x 10^6 is below 2^30; so the total is cut into whole multiples of that and a rest.
[[nodiscard]] __device__ inline row_count capacity_of(plan_settings const& how, row_count total,
                                                      std::int32_t ranks) {
  auto const divisor = static_cast<std::uint64_t>(ranks) * 1'000'000U;
  auto const alpha = static_cast<std::uint64_t>(how.alpha_millionths);
  auto const all = static_cast<std::uint64_t>(total);
  if (alpha >= divisor) return total;
  std::uint64_t const of_rest = all % divisor * alpha;
  std::uint64_t const share = all / divisor * alpha + of_rest / divisor;
  if (how.round_down) return static_cast<row_count>(share);
  std::uint64_t const up = share + (of_rest % divisor != 0);
  auto const each = static_cast<std::uint64_t>(ranks);
  std::uint64_t const mean = all / each + (all % each != 0);
  return static_cast<row_count>(up > mean ? up : mean);
}

/// As llep::imbalance_threshold: busiest / (total / n) >= threshold. No ratio is above n; without
/// rows there is nothing to plan.
[[nodiscard]] __device__ inline bool is_uneven(plan_settings const& how, row_count busiest,
                                               row_count total, planned_block const& out) {
  if (how.uneven == plan_settings::judged::always) return true;
  bool const by_rank = how.uneven == plan_settings::judged::ranks;
  auto const most_milli = std::int64_t{by_rank ? out.ranks : out.experts} * 1000;
  if (how.threshold_milli > most_milli) return false;
  return wide_product(busiest, static_cast<std::uint64_t>(most_milli))
      .at_least(wide_product(total, static_cast<std::uint64_t>(how.threshold_milli)));
}

/// The first warp's: whether loads are uneven, and the capacity. load [P], home [E].
[[nodiscard]] __device__ inline plan_decision decide(plan_settings const& how,
                                                     planned_block const& out,
                                                     row_count const* load, row_count const* home) {
  if (!how.lends || out.ranks == 1) return {false, 0};
  row_count total = 0;
  row_count busiest = 0;
  for (rank_id r = lane_id(); r < out.ranks; r += warp_size) {
    total += load[r];
    busiest = load[r] > busiest ? load[r] : busiest;
  }
  total = warp_sum(total);
  if (how.uneven == plan_settings::judged::experts) {
    busiest = 0;
    for (expert_id e = lane_id(); e < out.experts; e += warp_size)
      busiest = home[e] > busiest ? home[e] : busiest;
  }
  busiest = warp_max(busiest);
  return {is_uneven(how, busiest, total, out), capacity_of(how, total, out.ranks)};
}

/// Sums the counts of 8 ranks at a time, so that as many loads are under way, and starts the lists.
__device__ inline void gather_counts(plan_input const& in, plan_lists const& at,
                                     planned_block const& out) {
  constexpr int under_way = 8;
  for (expert_id e = static_cast<expert_id>(threadIdx.x); e < at.keys_count;
       e += static_cast<expert_id>(blockDim.x)) {
    if (e >= out.experts) {
      at.keys[e] = 0;
      continue;
    }
    row_count sum = 0;
    for (rank_id first = 0; first < out.ranks; first += under_way) {
      row_count held[under_way];
#pragma unroll
      for (int u = 0; u < under_way; ++u)
        held[u] = first + u < out.ranks ? in.counts[(first + u) * in.stride + e] : 0;
#pragma unroll
      for (int u = 0; u < under_way; ++u) {
        if (first + u >= out.ranks) break;
        out.base[(first + u) * std::int64_t{out.experts} + e] = sum;
        sum += held[u];
      }
    }
    rank_id const owner = in.owner[e];
    at.keys[e] = load_key::of(sum, e);
    at.home[e] = sum;
    at.owner[e] = static_cast<std::uint16_t>(owner);
    out.chunk_count[e] = 0;
    add_shared(at.load + owner, sum);
  }
}

/// One block. Its parts: loads, is lending worth it, experts by falling load, the walk (one warp),
/// then spans, groups and slots, by all. A template, so that several files may have it.
template <int MostThreads>
__global__ __launch_bounds__(MostThreads) void plan_step(plan_settings how, plan_input in,
                                                         planned_block out, int keys_count) {
  __shared__ plan_decision decision;
  __shared__ schedule_sums sums;
  plan_lists const at(launch_memory(), keys_count, out.ranks, out.experts);
  for (rank_id r = static_cast<rank_id>(threadIdx.x); r < out.ranks;
       r += static_cast<rank_id>(blockDim.x))
    at.load[r] = 0;
  if (threadIdx.x == 0) *out.move_count = 0;
  __syncthreads();
  gather_counts(in, at, out);
  __syncthreads();
  if (warp_id() == 0) {
    plan_decision const made = decide(how, out, at.load, at.home);
    if (lane_id() == 0) decision = made;
  }
  __syncthreads();
  if (decision.walks) {
    sort_falling(at.keys, keys_count);
    if (warp_id() == 0) lla_walk(how, at, decision.limit, out).run(at.keys, keys_count);
    __syncthreads();
  }
  schedule_maker{in, at, out, sums}.run();
}

inline constexpr int most_planning_threads = 1024;

/// Threads for an expert each and a warp for each rank, as far as a block goes.
[[nodiscard]] inline launch_shape planning_shape(std::int32_t ranks, std::int32_t experts,
                                                 int keys_count) {
  auto const wanted = std::bit_ceil(static_cast<unsigned>((std::max)(experts, ranks * warp_size)));
  return {1, static_cast<int>(std::clamp(wanted, 128U, unsigned{most_planning_threads})),
          plan_lists::bytes(keys_count, ranks, experts)};
}

}  // namespace detail

/// Puts the planning of a step on q: one launch of one block, from the counts in device memory to a
/// filled `out`, as the policy behind `how` plans and llep::schedule with global_order arranges.
///
/// @throws llep::error (invalid_argument) beyond most_planned_ranks or most_planned_experts.
/// Cost: O(E log^2 E / threads + experts that spill x P / 32 + (2 E + P) / 32) steps of a warp.
inline void plan_on_device(queue& q, plan_settings const& how, plan_input const& in,
                           planned_block const& out) {
  expects(out.ranks >= 1 && out.ranks <= most_planned_ranks,
          "cuda: a device plans for 1 to 1024 ranks");
  expects(out.experts >= 1 && out.experts <= most_planned_experts,
          "cuda: a device plans for 1 to 2048 experts");
  constexpr unsigned least_keys = 64;  // what sort_falling takes
  auto const keys =
      static_cast<int>((std::max)(std::bit_ceil(static_cast<unsigned>(out.experts)), least_keys));
  on_device const here(q.device());
  detail::launch(q, detail::planning_shape(out.ranks, out.experts, keys),
                 detail::plan_step<detail::most_planning_threads>, how, in, out, keys);
}

}  // namespace llep::cuda
