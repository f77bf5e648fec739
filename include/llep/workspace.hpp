// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <llep/block_layout.hpp>
#include <llep/concepts/training.hpp>
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
  // of training only
  byte_count saved = 0;      ///< what the kernel saves for backward
  byte_count gradients = 0;  ///< of lent weights
  byte_count incoming = 0;   ///< gradients that come home, two experts' at a time

  /// Sum of all.
  [[nodiscard]] byte_count total() const;
};

/// Where the areas of a step lie; those that aren't needed have no place.
struct workspace_areas {
  std::byte* slots = nullptr;
  std::byte* home = nullptr;
  std::byte* rows_in = nullptr;
  std::byte* rows_out = nullptr;
  std::byte* staged = nullptr;
  std::byte* lent = nullptr;
  std::byte* work = nullptr;
  std::byte* saved = nullptr;
  std::byte* gradients = nullptr;
  std::byte* incoming = nullptr;

  workspace_areas() = default;
  /// One after the other, from `base` on.
  workspace_areas(std::byte* base, workspace_need const& need);

  [[nodiscard]] std::int32_t* slot_list() const { return reinterpret_cast<std::int32_t*>(slots); }
  /// Adds the areas of another block of memory.
  void join(workspace_areas const& other);
};

namespace detail {

// In the order in which they lie in memory.
using needed_bytes = byte_count workspace_need::*;
using area_place = std::byte* workspace_areas::*;
struct workspace_part {
  needed_bytes bytes;
  area_place at;
};
// clang-format off
inline constexpr workspace_part workspace_parts[] = {
    {&workspace_need::slots, &workspace_areas::slots},
    {&workspace_need::home, &workspace_areas::home},
    {&workspace_need::rows_in, &workspace_areas::rows_in},
    {&workspace_need::rows_out, &workspace_areas::rows_out},
    {&workspace_need::staged, &workspace_areas::staged},
    {&workspace_need::lent, &workspace_areas::lent},
    {&workspace_need::work, &workspace_areas::work},
    {&workspace_need::saved, &workspace_areas::saved},
    {&workspace_need::gradients, &workspace_areas::gradients},
    {&workspace_need::incoming, &workspace_areas::incoming},
};
// clang-format on

}  // namespace detail

inline byte_count workspace_need::total() const {
  byte_count sum = 0;
  for (auto const& part : detail::workspace_parts) sum += this->*part.bytes;
  return sum;
}

inline workspace_areas::workspace_areas(std::byte* base, workspace_need const& need) {
  for (auto const& part : detail::workspace_parts)
    if (need.*part.bytes > 0) this->*part.at = std::exchange(base, base + need.*part.bytes);
}

inline void workspace_areas::join(workspace_areas const& other) {
  for (auto const& part : detail::workspace_parts)
    if (other.*part.at != nullptr) this->*part.at = other.*part.at;
}

/// What a record drops between forward and backward, which is made again then; it keeps the rest.
struct training {
  bool recompute = false;   ///< what the kernel saves: backward computes it again
  bool lend_again = false;  ///< lent weights: backward lends them again
  /// The experts' outputs at home: they travel once more. They are kept where they were computed,
  /// as evenly as the plan; with `recompute` they are computed again.
  bool resend_outputs = false;

  friend constexpr bool operator==(training const&, training const&) = default;
};

[[nodiscard]] inline std::uint64_t digest_of(training const& how) {
  return digest().add(how.recompute).add(how.lend_again).add(how.resend_outputs).value();
}

/// No single area or block may be larger: sums of a few of them can't overflow then.
inline constexpr byte_count most_bytes = byte_count{1} << 56;

namespace detail {

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
  return detail::weight_layout(kernel).total();
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

/// What one training step needs of a rank.
struct training_need {
  workspace_need kept;      ///< by the record, from forward to backward
  workspace_need forward;   ///< of the workspace, besides
  workspace_need backward;  ///< of the workspace

  /// The most bytes at a time, with this record alone.
  [[nodiscard]] byte_count peak() const {
    return kept.total() + (std::max)(forward.total(), backward.total());
  }
};

/// Bytes of the gradient of an expert's weights, each block aligned to 256 bytes.
template <trainable_kernel K>
[[nodiscard]] byte_count expert_gradient_bytes(K const& kernel) {
  return detail::gradient_layout(kernel).total();
}

/// As need_of, for training.
template <trainable_kernel K>
[[nodiscard]] training_need need_of(schedule const& steps, rank_id r, K const& kernel, bool staged,
                                    training const& how) {
  workspace_need const plain = need_of(steps, r, kernel, staged);
  training_need need;
  need.forward = plain;
  auto const keep = [&](byte_count workspace_need::* part) {
    need.kept.*part = std::exchange(need.forward.*part, 0);
  };
  keep(&workspace_need::slots);
  keep(&workspace_need::rows_in);
  if (!how.resend_outputs) keep(&workspace_need::home);
  if (how.resend_outputs && !how.recompute) keep(&workspace_need::rows_out);
  if (!how.lend_again) keep(&workspace_need::lent);
  if (!how.recompute)
    need.kept.saved = detail::area(steps.rows_computed(r), kernel.saved_row_bytes());

  need.backward.home = plain.home;
  need.backward.rows_in = need.backward.rows_out = plain.rows_in;
  need.backward.staged = plain.staged;
  if (how.lend_again) need.backward.lent = plain.lent;
  need.backward.work = detail::area(kernel.backward_work_bytes(steps.rows_by_group(r)), 1);
  if (how.resend_outputs && how.recompute)
    need.backward.work = (std::max)(need.backward.work, plain.work);
  byte_count const expert = expert_gradient_bytes(kernel);
  need.backward.gradients = detail::area(static_cast<std::int64_t>(steps.lent(r)), expert);
  need.backward.incoming = detail::area((std::min)(steps.lending(r), std::int64_t{2}), expert);
  return need;
}

}  // namespace llep
