// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/layout.hpp>
#include <llep/plan.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// Sizes that planning on a device takes: its lists lie in the 48 KiB of shared memory that a block
/// of any GPU has, and loads are sorted in one word with the expert's id.
inline constexpr std::int32_t most_planned_ranks = 1024;
inline constexpr std::int32_t most_planned_experts = 2048;
/// Rows of all ranks together, which no list of ids in memory reaches.
inline constexpr row_count most_planned_rows = (row_count{1} << 51) - 1;

/// A row_span, and where its rows lie on its rank: rows [slot, slot + end - begin) of that rank's
/// group area, in the expert's global row order.
struct placed_span {
  row_count begin = 0;
  row_count end = 0;
  row_count slot = 0;
  rank_id rank = 0;

  friend constexpr bool operator==(placed_span const&, placed_span const&) = default;
};

/// The rows [first, first + rows) of a rank's group area are the expert's.
struct planned_group {
  row_count first = 0;
  row_count rows = 0;
  expert_id expert = 0;

  friend constexpr bool operator==(planned_group const&, planned_group const&) = default;
};

enum class plan_outcome : std::int32_t {
  ok,
  bad_id,         ///< position and id of a rank's first bad (token, choice)
  too_many_rows,  ///< position: that a rank may compute; value: that it would have to
  too_many_lent,  ///< likewise experts lent to a rank
};

/// What became of a plan: where several ranks are in the way, the first one's. Unless it's `ok`
/// nothing of the plan may be followed.
struct plan_status {
  std::int64_t position = 0;
  std::int64_t value = 0;
  rank_id rank = 0;
  plan_outcome outcome = plan_outcome::ok;
};

namespace detail {

/// Some of an expert's rows that leave their owner, while they are being given away.
struct spilled_chunk {
  row_count rows = 0;
  rank_id rank = 0;
  bool again = false;  // the expert has an earlier chunk on this rank
};

/// The same in order of experts.
struct lent_span {
  row_count rows = 0;
  std::int32_t span = 0;
  expert_id expert = 0;
  rank_id rank = 0;
  bool again = false;
};

}  // namespace detail

/// A step's plan and schedule as plain lists in device memory: a view into one allocation of
/// `bytes(P, E)` bytes, aligned to 256, that a planning kernel fills.
///
/// The bounds hold for every least-loaded assignment. An expert has at most one span at home and
/// one that takes all that was left: 2 E. Any other span ends because its rank is full, from then
/// on a rank's load stays at least the capacity, and so each rank ends one at most: P. Without the
/// spans at home these are E + P, which bounds chunks and moves.
struct planned_block {
  std::int32_t ranks = 0;
  std::int32_t experts = 0;

  plan_status* status = nullptr;
  std::int32_t* span_offsets = nullptr;  ///< [E + 1]: the spans of an expert, in row order
  placed_span* spans = nullptr;          ///< [at most 2 E + P], experts by rising id
  /// [P + 1]: a rank's groups, native experts with rows by rising id, then lent ones by rising id.
  std::int32_t* group_offsets = nullptr;
  planned_group* groups = nullptr;       ///< [at most 2 E + P]
  std::int32_t* lent_experts = nullptr;  ///< [P], the last groups of a rank
  row_count* rows = nullptr;             ///< [P] that a rank computes
  std::int32_t* move_count = nullptr;    ///< [1]
  weight_move* moves = nullptr;          ///< [at most E + P], in the order of llep::plan
  row_count* base = nullptr;             ///< [P][E], rows of the expert on ranks before this one

  // scratch of the kernel
  std::int32_t* first_chunk = nullptr;      // [E]
  std::int32_t* chunk_count = nullptr;      // [E]
  detail::spilled_chunk* chunks = nullptr;  // [at most E + P], in order of decision
  detail::lent_span* lent_spans = nullptr;  // [at most E + P]

  [[nodiscard]] static constexpr std::int64_t most_spans(std::int32_t ranks, std::int32_t experts) {
    return 2 * std::int64_t{experts} + ranks;
  }
  [[nodiscard]] static constexpr std::int64_t most_moves(std::int32_t ranks, std::int32_t experts) {
    return std::int64_t{experts} + ranks;
  }

  planned_block(void* memory, std::int32_t p, std::int32_t e) : ranks(p), experts(e) {
    detail::layout in(memory);
    lay_out(in);
  }
  [[nodiscard]] static byte_count bytes(std::int32_t ranks, std::int32_t experts) {
    detail::layout sizes(nullptr);
    planned_block unplaced(nullptr, ranks, experts);
    unplaced.lay_out(sizes);
    return sizes.bytes();
  }

 private:
  void lay_out(detail::layout& in) {
    std::int32_t const p = ranks;
    std::int32_t const e = experts;
    in.take(status, 1);
    in.take(span_offsets, e + 1);
    in.take(spans, most_spans(p, e));
    in.take(group_offsets, p + 1);
    in.take(groups, most_spans(p, e));
    in.take(lent_experts, p);
    in.take(rows, p);
    in.take(move_count, 1);
    in.take(moves, most_moves(p, e));
    in.take(base, std::int64_t{p} * e);
    in.take(first_chunk, e);
    in.take(chunk_count, e);
    in.take(chunks, most_moves(p, e));
    in.take(lent_spans, most_moves(p, e));
  }
};

}  // namespace llep::cuda
