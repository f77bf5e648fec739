// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/concepts/expert_kernel.hpp>
#include <llep/error.hpp>
#include <llep/schedule.hpp>

namespace llep {

/// What a step needs of a rank's device memory, by purpose, in bytes; each a multiple of 256.
struct workspace_need {
  byte_count slots = 0;     ///< where each (token, choice) lies in the home area
  byte_count home = 0;      ///< rows on their way out and, later, back: T x K
  byte_count rows_in = 0;   ///< rows this rank computes, by expert
  byte_count rows_out = 0;  ///< what they become
  byte_count staged = 0;    ///< messages of all peers, where segments aren't placed directly
  byte_count lent = 0;      ///< weights of other ranks' experts
  byte_count work = 0;      ///< the kernel's scratch

  [[nodiscard]] byte_count total() const {
    return slots + home + rows_in + rows_out + staged + lent + work;
  }
};

/// No single area or block may be larger: sums of a few of them can't overflow then.
inline constexpr byte_count most_bytes = byte_count{1} << 56;

namespace detail {

constexpr byte_count align_256(byte_count bytes) { return (bytes + 255) / 256 * 256; }

// count x each bytes, aligned.
inline byte_count area(std::int64_t count, byte_count each) {
  expects(count >= 0 && each >= 0 && (each == 0 || count <= most_bytes / each),
          "workspace: an area must have from 0 to 2^56 bytes");
  return align_256(count * each);
}

}  // namespace detail

/// Bytes of an expert's lent weights: its blocks, each aligned to 256 bytes.
template <expert_kernel K>
[[nodiscard]] byte_count lent_expert_bytes(K const& kernel) {
  byte_count bytes = 0;
  for (std::size_t b = 0; b < K::blocks; ++b) bytes += detail::align_256(kernel.block_bytes(b));
  return bytes;
}

/// The need of rank r, any rank: every rank computes everybody's. `staged`: whether rows pass
/// through a staging area. O(groups of r). Throws errc::invalid_argument where an area would have
/// more than 2^56 bytes, or the kernel asks for less than none.
template <expert_kernel K>
[[nodiscard]] workspace_need need_of(schedule const& steps, rank_id r, K const& kernel,
                                     bool staged) {
  auto const row_bytes = kernel.hidden() * static_cast<byte_count>(sizeof(typename K::row_type));
  workspace_need need;
  need.slots = detail::area(steps.rows_held(r), sizeof(std::int32_t));
  need.home = detail::area(steps.rows_held(r), row_bytes);
  need.rows_in = detail::area(steps.rows_computed(r), row_bytes);
  need.rows_out = need.rows_in;
  if (staged) need.staged = detail::area(steps.rows_computed(r) - steps.rows_staying(r), row_bytes);
  need.lent = detail::area(static_cast<std::int64_t>(steps.lent(r)), lent_expert_bytes(kernel));
  need.work = detail::area(kernel.work_bytes(steps.rows_by_group(r)), 1);
  return need;
}

/// The areas of a workspace, one after the other.
struct workspace_areas {
  std::int32_t* slots;
  std::byte* home;
  std::byte* rows_in;
  std::byte* rows_out;
  std::byte* staged;
  std::byte* lent;
  std::byte* work;

  workspace_areas(std::byte* base, workspace_need const& need)
      : slots(reinterpret_cast<std::int32_t*>(base)),
        home(base + need.slots),
        rows_in(home + need.home),
        rows_out(rows_in + need.rows_in),
        staged(rows_out + need.rows_out),
        lent(staged + need.staged),
        work(lent + need.lent) {}
};

}  // namespace llep
