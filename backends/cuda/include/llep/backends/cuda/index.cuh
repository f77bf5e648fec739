// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/launch.cuh>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// Counting rows by expert, and finding their slots: a stable counting sort. The rows are cut into
// chunks, a warp each, which goes through its own in order, 32 at a time. table[chunk][E] holds a
// chunk's rows by expert, then how many of each expert came before the chunk.

/// How n rows are cut.
struct row_chunks {
  std::int64_t rows = 0;   ///< of all chunks
  std::int64_t each = 1;   ///< of a chunk but the last one
  std::int64_t count = 1;  ///< of chunks, at least 1

  static constexpr std::int64_t least_rows = 128;
  static constexpr std::int64_t most_chunks = 1024;  // a few for each of a GPU's schedulers

  /// Of up to n rows, whatever E.
  [[nodiscard]] static std::int64_t most_count(std::int64_t n) {
    return std::clamp<std::int64_t>(ceil_div(n, least_rows), 1, most_chunks);
  }

  row_chunks(std::int64_t n, std::int32_t experts) : rows(n) {
    constexpr std::int64_t most_cells = std::int64_t{1} << 26;  // a table of 256 MiB
    auto const limit = std::clamp<std::int64_t>(most_cells / experts, 1, most_chunks);
    each = (std::max)(ceil_div(ceil_div(n, limit), warp_size) * warp_size, least_rows);
    count = (std::max)(ceil_div(n, each), std::int64_t{1});
  }
};

/// Warps of a block, and whether each has its counters in shared memory: there are 48 KiB.
struct counting_shape {
  int warps = 4;
  std::size_t shared_bytes = 0;  ///< 0: they are in the table

  explicit counting_shape(std::int32_t experts) {
    constexpr std::size_t most = std::size_t{48} << 10U;
    std::size_t const each = static_cast<std::size_t>(experts) * sizeof(std::int32_t);
    if (each > most) return;
    warps = static_cast<int>((std::min)(most / each, std::size_t{4}));
    shared_bytes = each * static_cast<std::size_t>(warps);
  }
  [[nodiscard]] launch_shape launch(std::int64_t chunks) const {
    return {ceil_div(chunks, warps), warps * warp_size, shared_bytes};
  }
};

/// This warp's chunk and its E counters.
struct warp_counters {
  std::int64_t chunk;
  int lane;
  std::int32_t* at;

  __device__ warp_counters(std::int32_t experts, bool in_shared, std::int32_t* table)
      : chunk((std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / warp_size),
        lane(static_cast<int>(threadIdx.x) % warp_size),
        at(table + chunk * experts) {
    if (in_shared)
      at = reinterpret_cast<std::int32_t*>(launch_memory()) +
           threadIdx.x / warp_size * static_cast<unsigned>(experts);
  }
};

/// The id at a position; T x K is below 2^31, and 32 bits are divided faster than 64.
template <class Id>
[[nodiscard]] __device__ inline Id id_at(matrix_ref<Id const> ids, std::int64_t i) {
  auto const position = static_cast<std::uint32_t>(i);
  auto const choices = static_cast<std::uint32_t>(ids.cols);
  return ids.data[position / choices * ids.stride + position % choices];
}

/// f(position, is there, id) for a warp's chunk, 32 rows at a time.
template <class Id, class F>
__device__ inline void for_ids(row_chunks const& cut, std::int64_t chunk, int lane,
                               matrix_ref<Id const> ids, F const& f) {
  std::int64_t const end = (chunk + 1) * cut.each < cut.rows ? (chunk + 1) * cut.each : cut.rows;
  for (std::int64_t first = chunk * cut.each; first < end; first += warp_size) {
    std::int64_t const i = first + lane;
    f(i, i < end, i < end ? id_at(ids, i) : Id{-1});
  }
}

/// Takes `e`'s next places for all lanes that have it, in their order; lanes with `takes` only. The
/// whole warp calls it.
__device__ inline std::int32_t next_place(std::int32_t* counters, bool takes, std::int32_t e,
                                          int lane) {
  unsigned const same = __match_any_sync(0xFFFFFFFFU, takes ? e : -1);
  unsigned const before = same & ((1U << static_cast<unsigned>(lane)) - 1U);
  std::int32_t const first = takes ? counters[e] : 0;
  __syncwarp();  // all have read before one writes
  if (takes && before == 0) counters[e] = first + __popc(same);
  __syncwarp();
  return first + __popc(before);
}

/// First of the passes: table[chunk][e], and with `bad` the least bad position.
template <class Id>
__global__ void count_chunks(matrix_ref<Id const> ids, row_chunks cut, std::int32_t experts,
                             bool in_shared, std::int32_t* table, unsigned long long* bad) {
  warp_counters const mine(experts, in_shared, table);
  if (mine.chunk >= cut.count) return;  // the whole warp
  for (std::int32_t e = mine.lane; e < experts; e += warp_size) mine.at[e] = 0;
  __syncwarp();
  for_ids(cut, mine.chunk, mine.lane, ids, [&](std::int64_t i, bool there, Id id) {
    bool const good = there && id >= 0 && id < experts;
    if (there && !good && bad != nullptr) atomicMin(bad, static_cast<unsigned long long>(i));
    next_place(mine.at, good, static_cast<std::int32_t>(good ? id : 0), mine.lane);
  });
  if (in_shared)
    for (std::int32_t e = mine.lane; e < experts; e += warp_size)
      table[mine.chunk * experts + e] = mine.at[e];
}

/// Makes of the table what came before each chunk, and with `counts` only the totals. A block has
/// 32 experts, side by side, and cuts the chunks into as many runs as it has warps.
inline constexpr int scan_runs = 32;
template <bool Totals>
__global__ void scan_chunks(std::int64_t chunks, std::int32_t experts, std::int32_t* table,
                            std::int64_t* counts) {
  __shared__ std::int64_t runs[scan_runs][warp_size];
  unsigned const lane = threadIdx.x % warp_size;
  unsigned const run = threadIdx.x / warp_size;
  std::int64_t const e = std::int64_t{blockIdx.x} * warp_size + lane;
  std::int64_t const first = chunks * run / scan_runs;
  std::int64_t const end = chunks * (run + 1) / scan_runs;
  std::int64_t sum = 0;
  if (e < experts) {
#pragma unroll 8
    for (std::int64_t c = first; c < end; ++c) sum += table[c * experts + e];
  }
  runs[run][lane] = sum;
  __syncthreads();
  std::int64_t before = 0;
  for (unsigned r = 0; r < (Totals ? unsigned{scan_runs} : run); ++r) before += runs[r][lane];
  if (e >= experts) return;
  if constexpr (Totals) {
    if (run == 0) counts[e] = before;
  } else {
    for (std::int64_t c = first; c < end; ++c) {
      std::int32_t& cell = table[c * experts + e];
      std::int32_t const here = cell;
      cell = static_cast<std::int32_t>(before);
      before += here;
    }
  }
}

/// bad[0], the least bad position or all bits set, becomes the position or -1; bad[1] its id.
template <class Id>
__global__ void name_bad(matrix_ref<Id const> ids, std::int64_t* bad) {
  std::int64_t const i = bad[0];
  bad[1] = i < 0 ? 0 : static_cast<std::int64_t>(id_at(ids, i));
}

/// The last pass: every row takes its expert's next slot. All ids are good.
template <class Id>
__global__ void place_chunks(matrix_ref<Id const> ids, row_chunks cut, std::int32_t experts,
                             bool in_shared, std::int32_t* table, std::int64_t const* offsets,
                             row_segment const* segments, std::int32_t* slots) {
  warp_counters const mine(experts, in_shared, table);
  if (mine.chunk >= cut.count) return;  // the whole warp
  if (in_shared)
    for (std::int32_t e = mine.lane; e < experts; e += warp_size)
      mine.at[e] = table[mine.chunk * experts + e];
  __syncwarp();
  for_ids(cut, mine.chunk, mine.lane, ids, [&](std::int64_t i, bool there, Id id) {
    auto const e = static_cast<std::int32_t>(there ? id : 0);
    std::int64_t const row = next_place(mine.at, there, e, mine.lane);
    if (!there) return;
    row_segment const* const of = segments + offsets[e];
    std::int64_t low = 0;  // of the segments that may be it: begin <= row
    for (std::int64_t high = offsets[e + 1] - offsets[e]; high - low > 1;) {
      std::int64_t const middle = low + (high - low) / 2;
      (of[middle].begin <= row ? low : high) = middle;
    }
    slots[i] = static_cast<std::int32_t>(of[low].slot + (row - of[low].begin));
  });
}

}  // namespace llep::cuda::detail
