// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <llep/concepts/device.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep {

/// Two independent streams of messages: weights may still be on their way while rows come and go.
enum class lane : std::int32_t { rows = 0, weights = 1 };

/// `count` >= 1 elements for `peer`, read from `data`.
struct outgoing {
  rank_id peer = 0;
  std::byte const* data = nullptr;
  std::int64_t count = 0;
};

/// `count` >= 1 elements from `peer`, written to `data`.
struct incoming {
  rank_id peer = 0;
  std::byte* data = nullptr;
  std::int64_t count = 0;
};

struct communicator_tag {};

/// One rank's handle on an expert-parallel group of P = size() ranks, over a device.
///
/// Opt-in    A model names `using communicator_concept = llep::communicator_tag;`.
/// Syntax    device_type, device()  the device whose queues and memory it takes
///           rank(), size()         constant for the handle's lifetime
///           places_segments        constexpr: many small messages cost no more than one per peer
///           needs_progress         constexpr: transfers move on only inside its calls
///           all_gather(q, in, out, n)   n int64 words of every rank: out[p x n + i] = p's in[i]
///           post(q, lane, sends, receives, element_bytes) -> ticket   starts transfers
///           wait(q, ticket)        see Order
///           progress()             lets transfers move on; returns at once
///           abort(why) -> error    takes the group down; returns the cause it went down with
/// Shapes    messages of a pair of ranks and a lane match in order, and agree in bytes. No message
///           goes to the own rank, none is empty; lists may be empty.
/// Units     elements of element_bytes >= 1; words; all memory is device memory.
/// Order     every rank makes the same calls of all_gather, post and wait in the same order. `post`
///           starts after what is on q and does not hold q up. What is put on q after `wait` sees
///           the received data and may write to the memory sent from; until then the caller leaves
///           both alone, and keeps them allocated. The lists themselves are read during the call
///           only. Each ticket is waited for once.
/// Errors    rank, size, device and abort don't throw, the others throw llep::error. After the
///           first abort, by whichever rank, or after a failure of the transport, every call of
///           every rank throws that cause, calls that are blocked included, and where `wait`
///           doesn't block the host the device's `sync`, too; only abort and destruction remain
///           legal. When `abort` has returned, or a call has thrown, no transfer touches this
///           rank's memory any more.
/// Cost      what the lists say; no allocation once the same lists have been posted before.
///           `wait` may block the host until the peers have posted. A model that moves host memory
///           may also wait for q, in post and all_gather, and says so.
/// Threads   one thread per handle at a time.
/// Not asked for: copying, ordering, tags, messages to oneself.
// clang-format off
template <class C>
concept communicator =
    std::same_as<typename C::communicator_concept, communicator_tag> &&
    std::movable<C> &&
    device<typename C::device_type> &&
    std::movable<typename C::ticket> &&
    std::same_as<decltype(C::places_segments), bool const> &&
    std::same_as<decltype(C::needs_progress), bool const> &&
    requires(C& group, C const& view, typename C::device_type::queue& q, lane l,
             std::span<outgoing const> sends, std::span<incoming const> receives,
             std::int64_t n, std::int64_t const* words, std::int64_t* all,
             typename C::ticket posted, error const& why) {
      typename std::bool_constant<C::places_segments>;
      typename std::bool_constant<C::needs_progress>;
      { view.rank() } noexcept -> std::same_as<rank_id>;
      { view.size() } noexcept -> std::same_as<std::int32_t>;
      { group.device() } noexcept -> std::same_as<typename C::device_type&>;
      { group.all_gather(q, words, all, n) } -> std::same_as<void>;
      { group.post(q, l, sends, receives, n) } -> std::same_as<typename C::ticket>;
      { group.wait(q, std::move(posted)) } -> std::same_as<void>;
      { group.progress() } -> std::same_as<void>;
      { group.abort(why) } noexcept -> std::same_as<error>;
    };
// clang-format on

}  // namespace llep
