// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/device/mirror.hpp>
#include <llep/schedule.hpp>

namespace llep {

/// Takes rows to the ranks that compute them, and back: hidden states and outputs, and on the way
/// back their gradients. Every rank makes the same calls on the communicator, also where its lists
/// are empty.
template <communicator C>
class row_transport {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;

  explicit row_transport(device_type& device) : lists_(device) {}

  /// Uploads the lists of a schedule, for rows of `row_bytes`. What follows is of that schedule.
  void upload(queue_type& q, schedule const& steps, byte_count row_bytes) {
    row_bytes_ = row_bytes;
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

  /// The slot of every (token, choice) in the home area.
  template <class Id>
  void index(queue_type& q, device_type& device, matrix_ref<Id const> ids, std::int32_t* slots) {
    device.index(q, ids, static_cast<std::int32_t>(offsets_.count - 1),
                 on_device<std::int64_t>(offsets_), on_device<row_segment>(segments_), slots);
  }

  /// From the home areas to the group areas.
  void dispatch(queue_type& q, C& group, schedule const& steps, std::byte const* home,
                std::byte* staged, std::byte* rows) {
    list(sends_, steps.departures(), home, &departure::home);
    if constexpr (C::places_segments)
      list(receives_, steps.arrivals(), rows, &arrival::slot);
    else
      list(receives_, steps.arrivals(), staged, &arrival::staged);
    auto posted = group.post(q, lane::rows, sends_, receives_, row_bytes_);
    move(q, group, home, own_there_, rows);
    group.wait(q, std::move(posted));
    if constexpr (!C::places_segments) move(q, group, staged, regroup_, rows);
  }

  /// From the group areas to the home areas.
  void bring_back(queue_type& q, C& group, schedule const& steps, std::byte const* rows,
                  std::byte* staged, std::byte* home) {
    if constexpr (C::places_segments) {
      list(sends_, steps.arrivals(), rows, &arrival::slot);
    } else {
      move(q, group, rows, gather_, staged);
      list(sends_, steps.arrivals(), staged, &arrival::staged);
    }
    list(receives_, steps.departures(), home, &departure::home);
    auto posted = group.post(q, lane::rows, sends_, receives_, row_bytes_);
    move(q, group, rows, own_back_, home);
    group.wait(q, std::move(posted));
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

  template <class T>
  void fill(section s, std::vector<T> const& list) {
    if (!list.empty())
      std::memcpy(lists_.on_host() + s.first, list.data(), list.size() * sizeof(T));
  }

  static row_chunk turned(row_chunk const& c) { return {c.to, c.from, c.rows}; }

  // Lists a message for every stop or, where segments can't be placed, one a peer: its stops lie
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

  void move(queue_type& q, C& group, std::byte const* from, section chunks, std::byte* to) {
    group.device().move_rows(q, from, row_bytes_, on_device<row_chunk>(chunks), chunks.count, to);
  }

  mirror<device_type> lists_;
  section offsets_, segments_, regroup_, gather_, own_there_, own_back_;
  byte_count row_bytes_ = 0;
  std::vector<row_chunk> chunks_;
  std::vector<outgoing> sends_;
  std::vector<incoming> receives_;
};

}  // namespace llep
