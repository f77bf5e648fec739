// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/space.hpp>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep::kokkos::detail {

// Counting rows by expert, and finding their slots, in order: the rows are cut into chunks, a
// thread each. table[chunk][E + 1] holds a chunk's rows by expert and its first bad position.

/// How n rows are cut. On hosts into as many chunks as there are threads.
struct row_chunks {
  std::int64_t rows = 0;   // of all chunks
  std::int64_t each = 1;   // of a chunk but the last one
  std::int64_t count = 1;  // of chunks, at least 1

  template <class Space>
  row_chunks(Space const& space, std::int64_t n) : rows(n) {
    constexpr std::int64_t most_of_lanes = 1024;
    std::int64_t const wanted =
        on_host<Space> ? static_cast<std::int64_t>(space.concurrency()) : most_of_lanes;
    each = (Kokkos::max)((n + wanted - 1) / wanted, std::int64_t{1});
    count = (Kokkos::max)((n + each - 1) / each, std::int64_t{1});
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t begin(std::int64_t chunk) const {
    return chunk * each;
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t end(std::int64_t chunk) const {
    return begin(chunk) + each < rows ? begin(chunk) + each : rows;
  }
};

/// f(position, id) for the chunk's ids in order.
template <class Id, class F>
KOKKOS_FUNCTION void for_ids(row_chunks const& cut, std::int64_t chunk, matrix_ref<Id const> ids,
                             F const& f) {
  std::int64_t const end = cut.end(chunk);
  std::int64_t i = cut.begin(chunk);
  if (i >= end) return;
  std::int64_t k = i % ids.cols;
  for (Id const* row = ids.data + i / ids.cols * ids.stride; i < end; row += ids.stride, k = 0)
    for (; k < ids.cols && i < end; ++k, ++i) f(i, row[k]);
}

/// First of two or three passes.
template <class Id>
struct count_chunk {
  matrix_ref<Id const> ids;
  row_chunks cut;
  std::int32_t experts;
  std::int64_t* table;

  KOKKOS_FUNCTION void operator()(std::int64_t chunk) const {
    std::int64_t* const counts = table + chunk * (experts + 1);
    for (std::int64_t e = 0; e < experts; ++e) counts[e] = 0;
    std::int64_t bad = cut.rows;
    for_ids(cut, chunk, ids, [&](std::int64_t i, Id id) {
      if (id >= 0 && id < experts)
        ++counts[id];
      else if (bad == cut.rows)
        bad = i;
    });
    counts[experts] = bad;
  }
};

/// Adds the chunks up, for item e < E; item E finds the first bad position.
template <class Id>
struct count_total {
  matrix_ref<Id const> ids;
  row_chunks cut;
  std::int32_t experts;
  std::int64_t const* table;
  std::int64_t* bad;
  std::int64_t* counts;

  KOKKOS_FUNCTION void operator()(std::int64_t e) const {
    std::int64_t sum = 0;
    std::int64_t first = cut.rows;
    for (std::int64_t chunk = 0; chunk < cut.count; ++chunk) {
      std::int64_t const value = table[chunk * (experts + 1) + e];
      sum += value;
      if (value < first) first = value;
    }
    if (e < experts) {
      counts[e] = sum;
      return;
    }
    bad[0] = first == cut.rows ? -1 : first;
    bad[1] = 0;
    if (first < cut.rows) bad[1] = ids.data[first / ids.cols * ids.stride + first % ids.cols];
  }
};

/// table[chunk][e] becomes the expert's rows before the chunk.
struct scan_chunks {
  row_chunks cut;
  std::int32_t experts;
  std::int64_t* table;

  KOKKOS_FUNCTION void operator()(std::int64_t e) const {
    std::int64_t before = 0;
    for (std::int64_t chunk = 0; chunk < cut.count; ++chunk) {
      std::int64_t& cell = table[chunk * (experts + 1) + e];
      std::int64_t const here = cell;
      cell = before;
      before += here;
    }
  }
};

/// Every row of a chunk takes its expert's next slot.
template <class Id>
struct place_chunk {
  matrix_ref<Id const> ids;
  row_chunks cut;
  std::int32_t experts;
  std::int64_t* table;
  std::int64_t const* offsets;
  row_segment const* segments;
  std::int32_t* slots;

  KOKKOS_FUNCTION void operator()(std::int64_t chunk) const {
    std::int64_t* const next = table + chunk * (experts + 1);
    for_ids(cut, chunk, ids, [&](std::int64_t i, Id e) {
      std::int64_t const row = next[e]++;
      row_segment const* const mine = segments + offsets[e];
      std::int64_t low = 0;  // of the segments that may be it: begin <= row
      for (std::int64_t high = offsets[e + 1] - offsets[e]; high - low > 1;) {
        std::int64_t const middle = low + (high - low) / 2;
        (mine[middle].begin <= row ? low : high) = middle;
      }
      slots[i] = static_cast<std::int32_t>(mine[low].slot + (row - mine[low].begin));
    });
  }
};

}  // namespace llep::kokkos::detail
