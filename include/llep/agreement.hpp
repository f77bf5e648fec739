// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/device/mirror.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

namespace detail {

// The calls in which ranks agree; `confirm` is what forward and backward do when memory grows.
enum class operation : std::int64_t { construct = 1, forward, confirm, train, backward };

[[nodiscard]] inline std::string name_of(std::int64_t call) {
  constexpr char const* names[] = {"construct", "forward", "room for a step",
                                   "forward with a record", "backward"};
  return names[call - 1];
}

}  // namespace detail

/// What a rank tells all others before anything is sent: whether it can go on, and everything that
/// must be the same everywhere. Travels as int64 words, followed by the counts where there are any.
struct announcement {
  std::int64_t operation = 0;     ///< which call this is part of, a detail::operation
  std::int64_t step = 0;          ///< how many came before
  std::int64_t fault = 0;         ///< errc, or 0; `text` says more
  std::int64_t bad[2] = {-1, 0};  ///< first bad (token, choice) position and its id, or -1
  std::int64_t experts = 0;
  std::int64_t hidden = 0;
  std::int64_t choices = 0;
  std::int64_t record = -1;  ///< the forward call that a backward call is of
  std::uint64_t kernel = 0;  ///< digests, from here on
  std::uint64_t planner = 0;
  std::uint64_t row_order = 0;
  std::uint64_t checks = 0;
  std::uint64_t owners = 0;
  std::uint64_t memory = 0;
  std::uint64_t plan = 0;
  std::uint64_t training = 0;
  std::int64_t capacity = 0;  ///< workspace bytes; may differ, and so may those for a record
  std::int64_t kept_capacity = 0;
  char text[128] = {};  ///< of the fault, cut to fit

  void set_fault(errc code, std::string_view what) {
    if (fault != 0) return;  // the first one counts
    fault = static_cast<std::int64_t>(code);
    what.copy(text, sizeof text - 1);
  }

  /// What keeps the group from going on, the same on every rank, or nothing. Faults come before
  /// differences, lower ranks before higher ones. O(P).
  [[nodiscard]] static std::optional<error> verdict(std::span<announcement const> all);
};
static_assert(sizeof(announcement) % sizeof(std::int64_t) == 0);

namespace detail {

// What ranks must not differ in, with the words for it; the numbers are told, digests aren't.
using told_number = std::int64_t announcement::*;
using told_digest = std::uint64_t announcement::*;
struct agreed_number {
  told_number value;
  char const* name;
};
struct agreed_digest {
  told_digest value;
  char const* name;
  errc code;
};
inline constexpr agreed_number agreed_numbers[] = {
    {&announcement::step, "the number of calls before this one"},
    {&announcement::experts, "the number of experts E"},
    {&announcement::hidden, "the hidden size H"},
    {&announcement::choices, "the experts per token K"},
    {&announcement::record, "the call that the record is of"},
};
inline constexpr agreed_digest agreed_digests[] = {
    {&announcement::planner, "the planner or one of its options", errc::disagreement},
    {&announcement::row_order, "the row order", errc::disagreement},
    {&announcement::checks, "the level of checks", errc::disagreement},
    {&announcement::owners, "the owners of the experts", errc::disagreement},
    {&announcement::kernel, "the kernel: family, sizes, parameters or element type",
     errc::disagreement},
    {&announcement::training, "what a record keeps", errc::disagreement},
    {&announcement::memory, "the planner's memory", errc::plan_inconsistent},
    {&announcement::plan, "the plan", errc::plan_inconsistent},
};

}  // namespace detail

inline std::optional<error> announcement::verdict(std::span<announcement const> all) {
  for (std::size_t p = 0; p < all.size(); ++p) {
    announcement const& a = all[p];
    auto const rank = static_cast<rank_id>(p);
    if (a.fault != 0) return error(static_cast<errc>(a.fault), a.text, rank);
    if (a.bad[0] >= 0)
      return error(errc::invalid_argument,
                   "ids: token " + std::to_string(a.bad[0] / a.choices) + ", choice " +
                       std::to_string(a.bad[0] % a.choices) + " names expert " +
                       std::to_string(a.bad[1]) + ", not one of 0 to " +
                       std::to_string(a.experts - 1),
                   rank);
  }
  for (std::size_t p = 1; p < all.size(); ++p) {
    auto const rank = static_cast<rank_id>(p);
    if (all[p].operation != all[0].operation)
      return error(errc::disagreement,
                   "disagrees with rank 0 on the call: " + detail::name_of(all[p].operation) +
                       ", there " + detail::name_of(all[0].operation),
                   rank);
    for (auto const& [value, name] : detail::agreed_numbers)
      if (all[p].*value != all[0].*value)
        return error(errc::disagreement,
                     std::string("disagrees with rank 0 on ") + name + ": " +
                         std::to_string(all[p].*value) + ", there " + std::to_string(all[0].*value),
                     rank);
    for (auto const& [value, name, code] : detail::agreed_digests)
      if (all[p].*value != all[0].*value)
        return error(code, std::string("disagrees with rank 0 on ") + name, rank);
  }
  return std::nullopt;
}

/// The *agree* step: one all-gather of every rank's announcement and counts.
template <device D>
class agreement {
 public:
  agreement(D& device, std::int32_t ranks)
      : device_(&device), mine_(device), gathered_(device), reached_(device.make_event()) {
    all_.resize(static_cast<std::size_t>(ranks));
  }

  /// Gathers `a` from every rank, and as many words besides as a gather with counts of so many
  /// experts: ranks in different calls of one dispatcher still match, and can be told. O(P x E).
  template <communicator C>
  void gather(typename D::queue& q, C& group, announcement const& a, std::int32_t experts) {
    reserve(header_words + experts);
    put(q, a, experts);
    exchange(q, group, header_words + experts);
  }

  /// Gathers `a` and how many rows go to each of E experts: those of `ids`, or none if it holds a
  /// fault. The device notes bad ids. O(P x E + ids). `take_counts` has them.
  template <communicator C, class Id>
  void gather(typename D::queue& q, C& group, announcement const& a, matrix_ref<Id const> ids,
              std::int32_t experts) {
    auto const words = header_words + experts;
    reserve(words);
    put(q, a, experts);
    if (a.fault == 0) {
      auto* const device_words = reinterpret_cast<std::int64_t*>(mine_.on_device());
      device_->count(q, ids, experts, device_words + bad_word, device_words + header_words);
    }
    exchange(q, group, words);
  }

  /// Takes the counts of the gather before, which had some for so many experts.
  void take_counts(std::int32_t experts) {
    auto const each = static_cast<std::size_t>(experts);
    counts_.resize(all_.size() * each);
    load_.assign(each, 0);
    for (std::size_t p = 0; p < all_.size(); ++p) {
      row_count* const row = counts_.data() + p * each;
      std::memcpy(row, from(p, header_words + experts) + sizeof(announcement),
                  each * sizeof(row_count));
      for (std::size_t e = 0; e < each; ++e) load_[e] += row[e];
    }
  }

  /// Of the last gather: the announcements by rank.
  [[nodiscard]] std::span<announcement const> all() const { return all_; }
  /// What was taken last: [P][E] counts, and their sums.
  [[nodiscard]] std::span<row_count const> counts() const { return counts_; }
  [[nodiscard]] std::span<row_count const> load() const { return load_; }

 private:
  static constexpr std::int64_t word = sizeof(std::int64_t);
  static constexpr std::int64_t header_words = sizeof(announcement) / sizeof(std::int64_t);
  static constexpr std::int64_t bad_word = offsetof(announcement, bad) / sizeof(std::int64_t);

  void reserve(std::int64_t words) {
    mine_.reserve(words * word);
    gathered_.reserve(words * word * std::ssize(all_));
  }

  void put(typename D::queue& q, announcement const& a, std::int64_t counts) {
    std::memcpy(mine_.on_host(), &a, sizeof a);
    std::memset(mine_.on_host() + sizeof a, 0, static_cast<std::size_t>(counts * word));
    mine_.upload(q, 0, (header_words + counts) * word);
  }

  // The step's one host synchronisation.
  template <class C>
  void exchange(typename D::queue& q, C& group, std::int64_t words) {
    group.all_gather(q, reinterpret_cast<std::int64_t const*>(mine_.on_device()),
                     reinterpret_cast<std::int64_t*>(gathered_.on_device()), words);
    gathered_.download(q, 0, words * word * std::ssize(all_));
    device_->record(reached_, q);
    device_->sync(reached_);
    for (std::size_t p = 0; p < all_.size(); ++p)
      std::memcpy(&all_[p], from(p, words), sizeof(announcement));
  }

  [[nodiscard]] std::byte const* from(std::size_t rank, std::int64_t words) const {
    return gathered_.on_host() + static_cast<std::int64_t>(rank) * words * word;
  }

  D* device_;
  mirror<D> mine_;
  mirror<D> gathered_;
  typename D::event reached_;
  std::vector<announcement> all_;
  std::vector<row_count> counts_;
  std::vector<row_count> load_;
};

}  // namespace llep
