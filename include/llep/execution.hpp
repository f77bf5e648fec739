// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/concepts/expert_kernel.hpp>
#include <llep/device/mirror.hpp>
#include <llep/schedule.hpp>
#include <llep/token_batch.hpp>
#include <llep/workspace.hpp>

namespace llep {

/// Carries a schedule out on one rank: lend weights, dispatch, compute, combine. Every rank makes
/// the same calls on the communicator, also where its lists are empty.
template <communicator C, expert_kernel K>
class execution {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using row_type = typename K::row_type;

  explicit execution(device_type& device) : lists_(device) {}

  /// `areas` are as large as the schedule needs on this rank. Allocates only while it grows.
  template <class Batch>
  void run(queue_type& q, C& group, K& kernel, Batch const& in, schedule const& steps,
           plan const& p, workspace_areas const& areas) {
    row_bytes_ = kernel.hidden() * static_cast<byte_count>(sizeof(row_type));
    auto& device = group.device();
    upload(q, steps);
    make_groups(kernel, steps, group.rank(), areas.lent);
    auto weights = lend(q, group, kernel, steps, p, areas.lent);
    device.index(q, in.ids, static_cast<std::int32_t>(steps.segment_offsets().size() - 1),
                 on_device<std::int64_t>(offsets_), on_device<row_segment>(segments_), areas.slots);
    device.pack(q, reinterpret_cast<std::byte const*>(in.hidden.data), row_bytes_,
                in.hidden.stride * static_cast<byte_count>(sizeof(row_type)), in.ids.cols,
                areas.slots, in.ids.rows * in.ids.cols, areas.home);
    dispatch(q, group, steps, areas);
    auto const natives = groups_.size() - steps.lent(group.rank());
    compute(q, group, kernel, std::span(groups_).first(natives), areas);
    group.wait(q, std::move(weights));
    compute(q, group, kernel, std::span(groups_).subspan(natives), areas);
    bring_back(q, group, steps, areas);
    device.combine(q, reinterpret_cast<row_type const*>(areas.home), areas.slots, in.gates, in.out);
  }

 private:
  // A list inside the block that is uploaded once a step.
  struct section {
    byte_count first = 0;
    std::int64_t count = 0;
  };

  template <class T>
  [[nodiscard]] T const* on_device(section s) const {
    return reinterpret_cast<T const*>(lists_.on_device() + s.first);
  }

  // the block of lists

  void upload(queue_type& q, schedule const& steps) {
    chunks_.clear();
    for (arrival const& a : steps.arrivals()) chunks_.push_back({a.staged, a.slot, a.rows});
    std::size_t const one_way = chunks_.size();
    for (std::size_t i = 0; i < one_way; ++i) chunks_.push_back(turned(chunks_[i]));
    for (row_chunk const& own : steps.own_rows()) chunks_.push_back(own);
    for (row_chunk const& own : steps.own_rows()) chunks_.push_back(turned(own));

    auto const arrivals = static_cast<std::int64_t>(one_way);
    auto const own = std::ssize(steps.own_rows());
    byte_count end = 0;
    auto const next = [&end](std::int64_t count, std::size_t bytes_each) {
      section const s{end, count};
      end += count * static_cast<byte_count>(bytes_each);
      return s;
    };
    offsets_ = next(std::ssize(steps.segment_offsets()), sizeof(std::int64_t));
    segments_ = next(std::ssize(steps.segments()), sizeof(row_segment));
    regroup_ = next(arrivals, sizeof(row_chunk));
    gather_ = next(arrivals, sizeof(row_chunk));
    own_there_ = next(own, sizeof(row_chunk));
    own_back_ = next(own, sizeof(row_chunk));
    lists_.reserve(end);
    fill(offsets_, steps.segment_offsets());
    fill(segments_, steps.segments());
    fill(regroup_, chunks_);
    lists_.upload(q, 0, end);
  }

  static row_chunk turned(row_chunk const& c) { return {c.to, c.from, c.rows}; }

  template <class T>
  void fill(section s, std::vector<T> const& list) {
    if (!list.empty())
      std::memcpy(lists_.on_host() + s.first, list.data(), list.size() * sizeof(T));
  }

  // lend

  void make_groups(K const& kernel, schedule const& steps, rank_id me, std::byte const* lent) {
    groups_.clear();
    auto const experts = steps.experts(me);
    auto const natives = experts.size() - steps.lent(me);
    row_count first = 0;
    for (std::size_t g = 0; g < experts.size(); ++g) {
      row_group<K::blocks> group{experts[g], first, steps.rows_by_group(me)[g], {}};
      if (g < natives) {
        group.weights = kernel.native(group.expert);
      } else {
        for (std::size_t b = 0; b < K::blocks; ++b) {
          group.weights[b] = lent;
          lent += detail::align_256(kernel.block_bytes(b));
        }
      }
      groups_.push_back(group);
      first += group.rows;
    }
  }

  // Lent blocks lie in the order of this rank's lent groups; messages of a pair of ranks go in the
  // order of the plan's moves on both sides.
  [[nodiscard]] auto lend(queue_type& q, C& group, K const& kernel, schedule const& steps,
                          plan const& p, std::byte* lent) {
    auto const experts = steps.experts(group.rank()).last(steps.lent(group.rank()));
    byte_count const expert_bytes = lent_expert_bytes(kernel);
    byte_count unit = 0;  // elements as large as all blocks allow keep the counts small
    for (std::size_t b = 0; b < K::blocks; ++b) unit = std::gcd(unit, kernel.block_bytes(b));
    sends_.clear();
    receives_.clear();
    for (weight_move const& m : p.moves) {
      if (m.from == group.rank()) {
        auto const blocks = kernel.native(m.expert);
        for (std::size_t b = 0; b < K::blocks; ++b)
          sends_.push_back(
              {m.to, static_cast<std::byte const*>(blocks[b]), kernel.block_bytes(b) / unit});
      } else if (m.to == group.rank()) {
        auto const place = std::lower_bound(experts.begin(), experts.end(), m.expert);
        std::byte* block = lent + (place - experts.begin()) * expert_bytes;
        for (std::size_t b = 0; b < K::blocks; ++b) {
          receives_.push_back({m.from, block, kernel.block_bytes(b) / unit});
          block += detail::align_256(kernel.block_bytes(b));
        }
      }
    }
    return group.post(q, lane::weights, sends_, receives_, unit);
  }

  // rows out and back

  // Appends a message for every stop or, where segments can't be placed, one a peer: its stops lie
  // side by side in the packed area.
  template <class Message, class Stop, class Byte>
  void list(std::vector<Message>& out, std::vector<Stop> const& stops, Byte* area,
            row_count Stop::* place) const {
    out.clear();
    for (Stop const& s : stops) {
      if (!C::places_segments && !out.empty() && out.back().peer == s.peer)
        out.back().count += s.rows;
      else
        out.push_back({s.peer, area + s.*place * row_bytes_, s.rows});
    }
  }

  void dispatch(queue_type& q, C& group, schedule const& steps, workspace_areas const& areas) {
    list(sends_, steps.departures(), areas.home, &departure::home);
    if constexpr (C::places_segments)
      list(receives_, steps.arrivals(), areas.rows_in, &arrival::slot);
    else
      list(receives_, steps.arrivals(), areas.staged, &arrival::staged);
    auto rows = group.post(q, lane::rows, sends_, receives_, row_bytes_);
    move(q, group, areas.home, own_there_, areas.rows_in);
    group.wait(q, std::move(rows));
    if constexpr (!C::places_segments) move(q, group, areas.staged, regroup_, areas.rows_in);
  }

  void bring_back(queue_type& q, C& group, schedule const& steps, workspace_areas const& areas) {
    if constexpr (C::places_segments) {
      list(sends_, steps.arrivals(), areas.rows_out, &arrival::slot);
    } else {
      move(q, group, areas.rows_out, gather_, areas.staged);
      list(sends_, steps.arrivals(), areas.staged, &arrival::staged);
    }
    list(receives_, steps.departures(), areas.home, &departure::home);
    auto rows = group.post(q, lane::rows, sends_, receives_, row_bytes_);
    move(q, group, areas.rows_out, own_back_, areas.home);
    group.wait(q, std::move(rows));
  }

  void move(queue_type& q, C& group, std::byte const* from, section chunks, std::byte* to) {
    group.device().move_rows(q, from, row_bytes_, on_device<row_chunk>(chunks), chunks.count, to);
  }

  // compute

  void compute(queue_type& q, C& group, K& kernel, std::span<row_group<K::blocks> const> groups,
               workspace_areas const& areas) {
    // one call sees all groups, unless transfers need the host's help in between
    std::size_t const at_once = C::needs_progress ? 1 : std::max<std::size_t>(groups.size(), 1);
    for (; !groups.empty(); groups = groups.subspan((std::min)(at_once, groups.size()))) {
      kernel.forward(q, groups.first((std::min)(at_once, groups.size())),
                     reinterpret_cast<row_type const*>(areas.rows_in),
                     reinterpret_cast<row_type*>(areas.rows_out), areas.work);
      if constexpr (C::needs_progress) group.progress();
    }
  }

  mirror<device_type> lists_;
  section offsets_, segments_, regroup_, gather_, own_there_, own_back_;
  byte_count row_bytes_ = 0;
  std::vector<row_chunk> chunks_;
  std::vector<row_group<K::blocks>> groups_;
  std::vector<outgoing> sends_;
  std::vector<incoming> receives_;
};

}  // namespace llep
