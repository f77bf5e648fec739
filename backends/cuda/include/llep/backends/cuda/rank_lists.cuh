// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/index.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/layout.hpp>
#include <llep/backends/cuda/planned_kernels.cuh>
#include <llep/backends/cuda/planned_limits.hpp>
#include <llep/concepts/device.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// A rank's sizes, all of them known when it is made.
struct rank_sizes {
  rank_id me;
  std::int32_t ranks, experts, natives;
  planned_limits most;
  std::int64_t hidden, inner;  // H; elements of h a row
  byte_count lent_stride;      // of an expert; 0: nothing is copied

  /// Of the table of counts, for every number of rows up to T x K.
  [[nodiscard]] std::int64_t table_cells() const {
    return row_chunks::most_count(most.tokens * most.choices) * experts;
  }
};

/// A rank's lists in its device's memory.
template <std::size_t Blocks, class Row, class Element>
struct rank_lists {
  std::int64_t* report = nullptr;   // [2 + E]: first bad position and id, counts
  std::int32_t* table = nullptr;    // counts by chunk
  std::int64_t* offsets = nullptr;  // [E + 1]: an expert has one segment, from 0 on ...
  row_segment* segments = nullptr;  // [E]
  std::int32_t* experts = nullptr;  // [T][K] ids
  std::int32_t* nth = nullptr;      // [T][K]: ... so its rows are counted up
  row_place* places = nullptr;      // [T][K]
  void const** weights = nullptr;   // [E][Blocks] at the owners
  void** inputs = nullptr;          // [P]: x of all ranks
  void** results = nullptr;         // [P]: y
  placed_group<Blocks>* groups = nullptr;
  std::int64_t* tiles_before = nullptr;
  std::int32_t* group_count = nullptr;
  Row* x = nullptr;  // [rows][H], the group area
  Row* y = nullptr;
  Element* h = nullptr;  // [rows][inner]
  std::byte* lent = nullptr;

  void lay_out(layout& in, rank_sizes const& s) {
    std::int64_t const choices = s.most.tokens * s.most.choices;
    std::int64_t const groups_here = std::int64_t{s.natives} + s.most.lent_experts;
    in.take(report, 2 + std::int64_t{s.experts});
    in.take(table, s.table_cells());
    in.take(offsets, std::int64_t{s.experts} + 1);
    in.take(segments, s.experts);
    in.take(experts, choices);
    in.take(nth, choices);
    in.take(places, choices);
    in.take(weights, s.experts * static_cast<std::int64_t>(Blocks));
    in.take(inputs, s.ranks);
    in.take(results, s.ranks);
    in.take(groups, groups_here);
    in.take(tiles_before, groups_here + 1);
    in.take(group_count, 1);
    in.take(x, s.most.rows * s.hidden);
    in.take(y, s.most.rows * s.hidden);
    in.take(h, s.most.rows * s.inner);
    in.take(lent, s.most.lent_experts * s.lent_stride);
  }
  [[nodiscard]] static byte_count bytes(rank_sizes const& s) {
    layout sizes(nullptr);
    rank_lists().lay_out(sizes, s);
    return sizes.bytes();
  }
};

}  // namespace llep::cuda::detail
