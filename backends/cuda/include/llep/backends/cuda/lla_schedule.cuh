// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>

#include <llep/backends/cuda/block_tools.cuh>
#include <llep/backends/cuda/plan_lists.cuh>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

namespace detail {

struct schedule_sums {
  running_sum::memory memory;
  int verdict;
};

/// From what the walk left (rows at home, chunks in order of decision) to spans, groups and slots.
/// The whole block calls `run`.
class schedule_maker {
 public:
  plan_input const& in;
  plan_lists const& at;
  planned_block const& out;
  schedule_sums& sums;

  __device__ void run() const {
    for (rank_id r = thread(); r < out.ranks; r += threads()) {
      at.native_rows[r] = 0;
      at.native_groups[r] = 0;
      at.lent_groups[r] = 0;
    }
    if (thread() == 0) sums.verdict = nobody;
    __syncthreads();
    std::int32_t const chunks = write_spans();
    __syncthreads();
    place_ranks();
    __syncthreads();
    if (thread() == 0) *out.status = judged();
    for (rank_id r = warp_id(); r < out.ranks; r += warps_here()) {
      place_native(r);
      if (at.lent_groups[r] > 0) place_lent(r, chunks);
    }
  }

 private:
  static constexpr int nobody = (std::numeric_limits<int>::max)();

  [[nodiscard]] __device__ static std::int32_t thread() {
    return static_cast<std::int32_t>(threadIdx.x);
  }
  [[nodiscard]] __device__ static std::int32_t threads() {
    return static_cast<std::int32_t>(blockDim.x);
  }

  // A thread has an expert: where its spans lie, and the spans; and counts groups by rank. Returns
  // the number of lent spans.
  [[nodiscard]] __device__ std::int32_t write_spans() const {
    running_sum sum(sums.memory);  // spans above, lent ones below
    constexpr int half = 32;
    for (expert_id first = 0; first < out.experts; first += threads()) {
      expert_id const e = first + thread();
      bool const there = e < out.experts;
      std::uint64_t const lent = there ? static_cast<std::uint64_t>(out.chunk_count[e]) : 0;
      std::uint64_t const native = there && at.home[e] > 0 ? 1 : 0;
      std::uint64_t const before = sum.before((native + lent) << half | lent);
      if (!there) continue;
      auto const span = static_cast<std::int32_t>(before >> half);
      out.span_offsets[e] = span;
      if (native != 0) write_native(e, span);
      if (lent != 0)
        write_lent(e, span + static_cast<std::int32_t>(native),
                   static_cast<std::int32_t>(before & 0xFFFFFFFFU), static_cast<int>(lent));
    }
    if (thread() == 0)
      out.span_offsets[out.experts] = static_cast<std::int32_t>(sum.total() >> half);
    return static_cast<std::int32_t>(sum.total() & 0xFFFFFFFFU);
  }

  __device__ void write_native(expert_id e, std::int32_t span) const {
    rank_id const owner = at.owner[e];
    out.spans[span] = {0, at.home[e], 0, owner};
    add_shared(at.native_rows + owner, at.home[e]);
    atomicAdd(at.native_groups + owner, 1);
  }

  __device__ void write_lent(expert_id e, std::int32_t span, std::int32_t lent, int count) const {
    row_count begin = at.home[e];
    for (int i = 0; i < count; ++i) {
      spilled_chunk const chunk = out.chunks[out.first_chunk[e] + i];
      out.spans[span + i] = {begin, begin + chunk.rows, 0, chunk.rank};
      out.lent_spans[lent + i] = {chunk.rows, span + i, e, chunk.rank, chunk.again};
      begin += chunk.rows;
      if (!chunk.again) atomicAdd(at.lent_groups + chunk.rank, 1);
    }
  }

  // A thread has a rank: where its groups lie, and whether there is room for them.
  __device__ void place_ranks() const {
    running_sum sum(sums.memory);
    for (rank_id first = 0; first < out.ranks; first += threads()) {
      rank_id const r = first + thread();
      bool const there = r < out.ranks;
      std::int32_t const lent = there ? at.lent_groups[r] : 0;
      std::int32_t const groups = there ? at.native_groups[r] + lent : 0;
      std::uint64_t const before = sum.before(static_cast<std::uint64_t>(groups));
      if (!there) continue;
      out.group_offsets[r] = static_cast<std::int32_t>(before);
      out.lent_experts[r] = lent;
      out.rows[r] = at.load[r];
      bool const bad = in.bad != nullptr && in.bad[r * in.stride] >= 0;
      if (bad) atomicMin(&sums.verdict, r);  // before all that hangs on room
      if (at.load[r] > in.most_rows) atomicMin(&sums.verdict, out.ranks + 2 * r);
      if (lent > in.most_lent) atomicMin(&sums.verdict, out.ranks + 2 * r + 1);
    }
    if (thread() == 0) out.group_offsets[out.ranks] = static_cast<std::int32_t>(sum.total());
  }

  [[nodiscard]] __device__ plan_status judged() const {
    if (sums.verdict == nobody) return {};
    if (sums.verdict < out.ranks) {
      rank_id const r = sums.verdict;
      std::int64_t const* const bad = in.bad + r * in.stride;
      return {bad[0], bad[1], r, plan_outcome::bad_id};
    }
    rank_id const r = (sums.verdict - out.ranks) / 2;
    if ((sums.verdict - out.ranks) % 2 == 0)
      return {in.most_rows, at.load[r], r, plan_outcome::too_many_rows};
    return {in.most_lent, at.lent_groups[r], r, plan_outcome::too_many_lent};
  }

  // A warp's: the rank's native groups, 32 experts at a time.
  __device__ void place_native(rank_id r) const {
    std::int32_t group = out.group_offsets[r];
    row_count slot = 0;
    for (expert_id first = 0; first < out.experts; first += warp_size) {
      expert_id const e = first + lane_id();
      bool const mine = e < out.experts && at.owner[e] == r && at.home[e] > 0;
      unsigned const all = __ballot_sync(whole_warp, mine);
      if (all == 0) continue;
      row_count const rows = mine ? at.home[e] : 0;
      row_count const up_to = warp_inclusive_sum(rows);
      if (mine) {
        row_count const here = slot + up_to - rows;
        out.groups[group + __popc(all & lanes_before())] = {here, rows, e};
        out.spans[out.span_offsets[e]].slot = here;
      }
      group += __popc(all);
      slot += __shfl_sync(whole_warp, up_to, warp_size - 1);
    }
  }

  // And its lent groups, 32 lent spans at a time. A span of an expert that the rank has already is
  // added to the group before.
  __device__ void place_lent(rank_id r, std::int32_t count) const {
    std::int32_t group = out.group_offsets[r] + at.native_groups[r];
    row_count slot = at.native_rows[r];
    for (std::int32_t first = 0; first < count; first += warp_size) {
      std::int32_t const i = first + lane_id();
      lent_span const span = i < count ? out.lent_spans[i] : lent_span{0, 0, 0, -1, false};
      bool const mine = span.rank == r;
      if (!__any_sync(whole_warp, mine)) continue;
      unsigned const fresh = __ballot_sync(whole_warp, mine && !span.again);
      row_count const rows = mine ? span.rows : 0;
      row_count const up_to = warp_inclusive_sum(rows);
      row_count const here = slot + up_to - rows;
      std::int32_t const mine_at = group + __popc(fresh & lanes_before());
      if (mine) out.spans[span.span].slot = here;
      if (mine && !span.again) out.groups[mine_at] = {here, rows, span.expert};
      __syncwarp();
      if (mine && span.again) out.groups[mine_at - 1].rows += rows;
      __syncwarp();
      group += __popc(fresh);
      slot += __shfl_sync(whole_warp, up_to, warp_size - 1);
    }
  }
};

}  // namespace detail

}  // namespace llep::cuda
