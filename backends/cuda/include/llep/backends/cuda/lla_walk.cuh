// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include <llep/backends/cuda/block_tools.cuh>
#include <llep/backends/cuda/plan_lists.cuh>
#include <llep/backends/cuda/plan_settings.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/plan.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// An expert and its load in one number, so that falling keys are falling loads and, among equal
/// ones, rising ids. No expert's key is 0 unless it has no rows.
struct load_key {
  static constexpr int id_bits = 11;
  static_assert(std::int32_t{1} << id_bits == most_planned_experts);

  [[nodiscard]] __device__ static std::uint64_t of(row_count load, expert_id e) {
    auto const from_last = static_cast<std::uint64_t>(most_planned_experts - 1 - e);
    return static_cast<std::uint64_t>(load) << id_bits | from_last;
  }
  [[nodiscard]] __device__ static row_count load(std::uint64_t key) {
    return static_cast<row_count>(key >> id_bits);
  }
  [[nodiscard]] __device__ static expert_id expert(std::uint64_t key) {
    return most_planned_experts - 1 - static_cast<expert_id>(key & (most_planned_experts - 1));
  }
};

/// One warp's walk over the experts by falling load, as llep::least_loaded's: what an owner has no
/// room for goes to the ranks that are least loaded then.
///
/// An expert changes nothing as long as its owner's load, rows not yet visited included, is within
/// the limit. So the warp looks at 32 at a time and stops only where one has to spill.
class lla_walk {
 public:
  /// @param lists with sorted keys
  /// @param limit the capacity of a rank
  __device__ lla_walk(plan_settings const& how, plan_lists const& lists, row_count limit,
                      planned_block const& out)
      : owner_(lists.owner),
        load_(lists.load),
        home_(lists.home),
        limit_(limit),
        min_chunk_rows_(how.min_chunk_rows),
        keeps_small_excess_(how.keep_small_excess_home),
        out_(out) {}

  /// Sets chunks, moves and their counts, and what is left at home.
  __device__ void run(std::uint64_t const* keys, int count) {
    for (int first = 0; first < count; first += warp_size) {
      std::uint64_t const key = keys[first + lane_id()];
      row_count const rows = load_key::load(key);
      expert_id const e = load_key::expert(key);
      rank_id const at = rows > 0 ? owner_[e] : 0;
      for (unsigned open = whole_warp; open != 0;) {  // experts from here on, as bits
        unsigned const over = __ballot_sync(whole_warp, rows > 0 && load_[at] > limit_) & open;
        if (over == 0) break;
        int const next = __ffs(static_cast<int>(over)) - 1;
        open = next == warp_size - 1 ? 0 : whole_warp << static_cast<unsigned>(next + 1);
        visit(__shfl_sync(whole_warp, e, next), __shfl_sync(whole_warp, rows, next),
              __shfl_sync(whole_warp, at, next));
      }
      if (__any_sync(whole_warp, rows == 0)) break;  // and so have all that follow
    }
    if (lane_id() == 0) *out_.move_count = moves_;
  }

 private:
  struct loaded_rank {
    rank_id rank;
    row_count load;
  };

  // An expert whose owner is over the limit.
  __device__ void visit(expert_id e, row_count rows, rank_id of) {
    row_count const others = load_[of] - rows;
    row_count const room = limit_ - others;
    row_count const stays = room < 0 ? 0 : room;  // < rows
    if (keeps_small_excess_ && rows - stays < min_chunk_rows_) return;
    __syncwarp();  // all have read
    if (lane_id() == 0) {
      load_[of] = others + stays;
      home_[e] = stays;
      out_.first_chunk[e] = chunks_;
    }
    __syncwarp();
    std::int32_t const first = chunks_;
    spill(e, of, rows - stays);
    if (lane_id() == 0) out_.chunk_count[e] = chunks_ - first;
  }

  __device__ void spill(expert_id e, rank_id of, row_count left) {
    std::int32_t const first = chunks_;
    rank_id before = -1;
    while (left > 0) {
      auto const [rank, least] = least_of_others(of);
      row_count const room = limit_ - least;
      row_count chunk = room < left ? room : left;
      // the least loaded rank's chunk won't do: no other rank's will
      bool const forced = chunk <= 0 || (chunk < min_chunk_rows_ && chunk < left);
      if (forced) chunk = left;
      bool const joins = rank == before;
      bool const again = forced && !joins && has_chunk_on(rank, first);
      if (lane_id() == 0) {
        load_[rank] = least + chunk;
        if (joins)
          out_.chunks[chunks_ - 1].rows += chunk;
        else
          out_.chunks[chunks_] = {chunk, rank, again};
        if (!joins && !again) out_.moves[moves_] = {e, of, rank};
      }
      __syncwarp();
      chunks_ += joins ? 0 : 1;
      moves_ += joins || again ? 0 : 1;
      before = rank;
      left -= chunk;
    }
  }

  [[nodiscard]] __device__ bool has_chunk_on(rank_id rank, std::int32_t first) const {
    bool found = false;
    for (std::int32_t i = first + lane_id(); i < chunks_; i += warp_size)
      found = found || out_.chunks[i].rank == rank;
    return __any_sync(whole_warp, found) != 0;
  }

  // Equal loads: the lower id.
  [[nodiscard]] __device__ loaded_rank least_of_others(rank_id of) const {
    std::uint64_t best = ~std::uint64_t{0};
    auto best_rank = static_cast<unsigned>(-1);
    for (rank_id r = lane_id(); r < out_.ranks; r += warp_size) {
      auto const here = static_cast<std::uint64_t>(load_[r]);
      if (r == of || here >= best) continue;
      best = here;
      best_rank = static_cast<unsigned>(r);
    }
    auto const high = static_cast<unsigned>(best >> 32U);
    auto const low = static_cast<unsigned>(best);
    unsigned const least_high = __reduce_min_sync(whole_warp, high);
    unsigned const least_low = __reduce_min_sync(whole_warp, high == least_high ? low : ~0U);
    bool const is_least = high == least_high && low == least_low;
    unsigned const rank = __reduce_min_sync(whole_warp, is_least ? best_rank : ~0U);
    return {static_cast<rank_id>(rank),
            static_cast<row_count>(std::uint64_t{least_high} << 32U | least_low)};
  }

  std::uint16_t const* owner_;
  row_count* load_;
  row_count* home_;
  row_count limit_;
  row_count min_chunk_rows_;
  bool keeps_small_excess_;
  planned_block const& out_;
  std::int32_t chunks_ = 0;
  std::int32_t moves_ = 0;
};

}  // namespace llep::cuda::detail
