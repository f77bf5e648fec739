// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <llep/shape.hpp>

namespace llep {

/// Where the rows of an expert go on their own rank: from the expert's row `begin` (counted in
/// (token, choice) order) up to the next segment's begin they take the slots from `slot` on.
struct row_segment {
  std::int64_t begin = 0;
  std::int64_t slot = 0;
};

/// `rows` rows are copied from row `from` of one buffer to row `to` of another.
struct row_chunk {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::int64_t rows = 0;
};

struct device_tag {};

/// Memory, queues, events and the row operations that a step needs, where the rows live.
///
/// Opt-in    A model names `using device_concept = llep::device_tag;`.
/// Syntax    host_memory            constexpr: the host can read and write what `allocate` returns
///           queue, event           movable types: a CUDA stream and event, a Kokkos instance,
///                                  or nothing
///           make_queue()           a further queue, made for the communicator's own use
///           make_event()           an event that counts as reached until it is recorded
///           allocate(bytes)        device memory, aligned to 256 bytes
///           deallocate(p)          after, or ordered after, all work that queues had before; so is
///                                  deallocate_staging
///           allocate_staging(b)    host memory that `copy` takes at full speed; deallocate_staging
///           copy(q, dst, src, b)   between any two of device and staging memory
///           record(e, q)           e marks what is on q now
///           wait(q, e)             what is put on q later waits for what e marks
///           sync(e)                the host waits for e: the only call that blocks for the device
/// Row operations, with n = T x K rows, all device memory:
///           count(q, ids, E, bad, counts)
///                    counts[E] = rows per expert, ids outside [0, E) skipped; bad[0] = the first
///                    such (token, choice) position t x K + k, or -1; bad[1] = its id
///           index(q, ids, E, offsets, segments, slots)
///                    slots[n]: the slot of every row. The rows of an expert count up in
///                    (token, choice) order; expert e has the segments
///                    [offsets[e], offsets[e + 1]), ascending. All ids are in range.
///           pack(q, x, row_bytes, stride_bytes, K, slots, n, out)
///                    out row slots[i] = x row i / K, for all i < n
///           move_rows(q, src, row_bytes, chunks, count, dst)
///                    copies the chunks; src and dst don't overlap
///           combine(q, y, slots, gates, out)
///                    out[t] = sum over k, ascending, of gates[t][k] x y[slots[t x K + k]], in
///                    accumulator_t of the row type
/// Order     what is put on one queue runs in that order; queues and the host run on by themselves.
///           Arguments must stay valid until the queue has passed the call.
/// Errors    throws llep::error (errc::device), or std::bad_alloc where memory runs out;
///           deallocate and deallocate_staging don't throw. Row
///           operations with zero rows are legal and may come with null pointers.
/// Cost      one pass over the rows each. A model may keep scratch that grows to a high-water mark.
/// Threads   one thread per device object at a time; wait and sync also take events that another
///           rank's device of the same type has recorded. Queues and events may outlive the device
///           object that made them.
/// Not asked for: being default-constructible, copying, knowing ranks or experts' sizes.
///
/// Element types: ids int32 or int64; gates float or double; rows float, double, or a type of the
/// model's own (say so there: `combine` is checked again with the kernel's row type).
// clang-format off
template <class D, class Row, class Gate>
concept combines_rows =
    requires(D& device, typename D::queue& q, Row const* y, std::int32_t const* slots,
             matrix_ref<Gate const> gates, matrix_ref<Row> out) {
      { device.combine(q, y, slots, gates, out) } -> std::same_as<void>;
    };

template <class D, class Id>
concept indexes_rows =
    requires(D& device, typename D::queue& q, matrix_ref<Id const> ids, std::int32_t experts,
             std::int64_t* out, std::int64_t const* offsets, row_segment const* segments,
             std::int32_t* slots) {
      { device.count(q, ids, experts, out, out) } -> std::same_as<void>;
      { device.index(q, ids, experts, offsets, segments, slots) } -> std::same_as<void>;
    };

template <class D>
concept device =
    std::same_as<typename D::device_concept, device_tag> &&
    std::movable<D> && std::movable<typename D::queue> && std::movable<typename D::event> &&
    std::same_as<decltype(D::host_memory), bool const> &&
    requires(D& d, typename D::queue& q, typename D::event& e, byte_count bytes, void* to,
             void const* from) {
      typename std::bool_constant<D::host_memory>;
      { d.make_queue() } -> std::same_as<typename D::queue>;
      { d.make_event() } -> std::same_as<typename D::event>;
      { d.allocate(bytes) } -> std::same_as<void*>;
      { d.deallocate(to) } noexcept -> std::same_as<void>;
      { d.allocate_staging(bytes) } -> std::same_as<void*>;
      { d.deallocate_staging(to) } noexcept -> std::same_as<void>;
      { d.copy(q, to, from, bytes) } -> std::same_as<void>;
      { d.record(e, q) } -> std::same_as<void>;
      { d.wait(q, e) } -> std::same_as<void>;
      { d.sync(e) } -> std::same_as<void>;
    } &&
    requires(D& d, typename D::queue& q, std::byte const* from, std::byte* to, byte_count bytes,
             std::int64_t n, std::int32_t const* slots, row_chunk const* chunks) {
      { d.pack(q, from, bytes, bytes, n, slots, n, to) } -> std::same_as<void>;
      { d.move_rows(q, from, bytes, chunks, n, to) } -> std::same_as<void>;
    } &&
    indexes_rows<D, std::int32_t> && indexes_rows<D, std::int64_t> &&
    combines_rows<D, float, float> && combines_rows<D, float, double> &&
    combines_rows<D, double, float> && combines_rows<D, double, double>;

/// A device that tells memory which its row operations can't use: a refinement of `device`, with
/// its tag. The dispatcher asks it about the user's matrices, before anything is sent, so that a
/// host pointer is an agreed error, and no fault in the middle of a step.
///
/// Syntax    check_memory(p, alignment, name)   throws llep::error (invalid_argument) that begins
///           with the name unless kernels reach p, and it is a multiple of `alignment` bytes. Null
///           is fine. const, and blocks for nothing.
template <class D>
concept checks_memory =
    device<D> &&
    requires(D const& d, void const* p, std::size_t alignment, std::string_view name) {
      { d.check_memory(p, alignment, name) } -> std::same_as<void>;
    };
// clang-format on

}  // namespace llep
