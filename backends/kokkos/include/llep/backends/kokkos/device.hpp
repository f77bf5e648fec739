// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/index.hpp>
#include <llep/backends/kokkos/memory.hpp>
#include <llep/backends/kokkos/row_types.hpp>
#include <llep/backends/kokkos/rows.hpp>
#include <llep/backends/kokkos/space.hpp>
#include <llep/concepts/training.hpp>

namespace llep::kokkos {

template <class T>
concept index_element = std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;
template <class T>
concept real_element = std::same_as<T, float> || std::same_as<T, double>;

/// Models llep::device and trains_rows over an execution space and its memory space, between
/// Kokkos::initialize and finalize. Rows: float, double, bfloat16, half.
///
/// Queues     an instance each. The user's, wrapped in a queue, runs what the user puts on it.
/// Blocks     Kokkos has no events: `record` notes the instance, `wait` and `sync` fence it, all
///            that is on it included. On spaces that complete on return nothing is waited for.
///            deallocate fences everything, where a space doesn't complete on return.
/// Threads    as llep::device. An instance that ranks share runs their kernels in turns; give each
///            its own: `own_instance`.
/// Order      gate_gradient's sums are a thread's, in order of h.
///
/// @tparam Waits whether kernels may still run when their launch has returned; true is always right
template <execution_space Space = Kokkos::DefaultExecutionSpace,
          bool Waits = !completes_on_return<Space>>
class device {
 public:
  using device_concept = device_tag;
  using space_type = Space;
  using memory_space = typename Space::memory_space;
  static constexpr bool host_memory =
      Kokkos::SpaceAccessibility<Kokkos::HostSpace, memory_space>::accessible;

  /// Host memory that the device's kernels reach, where there is such.
  using staging_space =
      std::conditional_t<host_memory, memory_space, Kokkos::SharedHostPinnedSpace>;

  class queue {
   public:
    explicit queue(Space space) : space_(std::move(space)) {}
    [[nodiscard]] Space const& space() const { return space_; }

   private:
    Space space_;
  };

  class event {
   private:
    friend device;
    std::optional<Space> at_;  // what is to be fenced
  };

  explicit device(Space space = Space()) : space_(std::move(space)) {}

  /// An instance that runs beside the others where the space can, else the same one again.
  [[nodiscard]] queue make_queue() {
    if constexpr (Waits)
      return detail::translated(
          [&] { return queue(Kokkos::Experimental::partition_space(space_, 1)[0]); });
    else
      return queue(space_);
  }
  [[nodiscard]] event make_event() { return {}; }

  [[nodiscard]] void* allocate(byte_count bytes) { return memory_.allocate(bytes); }
  void deallocate(void* p) noexcept { memory_.deallocate(p); }
  [[nodiscard]] void* allocate_staging(byte_count bytes) { return staging_.allocate(bytes); }
  void deallocate_staging(void* p) noexcept { staging_.deallocate(p); }

  void copy(queue& q, void* dst, void const* src, byte_count bytes) {
    if (bytes == 0) return;
    auto const n = static_cast<std::size_t>(bytes);
    detail::translated([&] {  // staging memory counts as the device's: its kernels reach it
      Kokkos::deep_copy(q.space(), byte_view<char>(static_cast<char*>(dst), n),
                        byte_view<char const>(static_cast<char const*>(src), n));
    });
  }
  void record(event& e, queue& q) {
    if constexpr (Waits) e.at_ = q.space();
  }
  void wait(queue& q, event& e) {
    if (e.at_ && !(*e.at_ == q.space())) sync(e);
  }
  void sync(event& e) {
    if (e.at_) detail::translated([&] { e.at_->fence("llep::sync"); });
  }

  template <index_element Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    detail::row_chunks const cut(q.space(), ids.rows * ids.cols);
    auto* const table = counting_table(q, cut, experts);
    put([&] {
      detail::for_each("llep::count", q.space(), cut.count,
                       detail::count_chunk<Id>{ids, cut, experts, table});
      detail::for_each("llep::total", q.space(), experts + 1,
                       detail::count_total<Id>{ids, cut, experts, table, bad, counts});
    });
  }

  template <index_element Id>
  void index(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t const* offsets,
             row_segment const* segments, std::int32_t* slots) {
    detail::row_chunks const cut(q.space(), ids.rows * ids.cols);
    auto* const table = counting_table(q, cut, experts);
    put([&] {
      detail::for_each("llep::count", q.space(), cut.count,
                       detail::count_chunk<Id>{ids, cut, experts, table});
      detail::for_each("llep::scan", q.space(), experts, detail::scan_chunks{cut, experts, table});
      detail::for_each("llep::index", q.space(), cut.count,
                       detail::place_chunk<Id>{ids, cut, experts, table, offsets, segments, slots});
    });
  }

  void pack(queue& q, std::byte const* x, byte_count row_bytes, byte_count stride_bytes,
            std::int64_t choices, std::int32_t const* slots, std::int64_t n, std::byte* out) {
    using detail::bits;
    auto const together = bits(x) | bits(row_bytes) | bits(stride_bytes) | bits(out);
    detail::with_word<Space>(together, [&]<class Word>(Word*) {
      put([&] {
        detail::for_rows(
            "llep::pack", q.space(), n,
            detail::pack_rows<Space, Word>{x, row_bytes, stride_bytes, choices, slots, out});
      });
    });
  }

  void move_rows(queue& q, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    using detail::bits;
    auto const together = bits(src) | bits(row_bytes) | bits(dst);
    detail::with_word<Space>(together, [&]<class Word>(Word*) {
      using body = detail::move_chunk<Space, Word>;
      put([&] {
        detail::for_rows("llep::move_rows", q.space(), count * body::parts,
                         body{src, row_bytes, chunks, dst});
      });
    });
  }

  template <row_element Row, real_element Gate>
  void combine(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Gate const> gates,
               matrix_ref<Row> out) {
    add(q, y, slots, gates.cols, detail::matrix_gates<accumulator_t<Row>, Gate>{gates}, out);
  }

  // going back

  void zero(queue& q, void* p, byte_count bytes) {
    if (bytes == 0) return;
    put([&] {
      Kokkos::deep_copy(
          q.space(), byte_view<char>(static_cast<char*>(p), static_cast<std::size_t>(bytes)), '\0');
    });
  }

  template <real_element T>
  void accumulate(queue& q, T const* src, std::int64_t n, T* dst) {
    constexpr auto strip = detail::strip_columns<Space>;
    put([&] {
      detail::for_each("llep::add", q.space(), (n + strip - 1) / strip,
                       detail::add_strip<Space, T>{src, n, dst});
    });
  }

  template <row_element Row, real_element Gate>
  void pack_scaled(queue& q, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out) {
    put([&] {
      detail::for_rows("llep::scale", q.space(), g.rows * gates.cols,
                       detail::scale_rows<Space, Row, Gate>{g, gates, slots, out});
    });
  }

  template <row_element Row>
  void sum(queue& q, Row const* y, std::int32_t const* slots, std::int64_t choices,
           matrix_ref<Row> out) {
    add(q, y, slots, choices, detail::no_gates<accumulator_t<Row>>{}, out);
  }

  template <row_element Row, real_element Gate>
  void gate_gradient(queue& q, Row const* y, std::int32_t const* slots, matrix_ref<Row const> g,
                     matrix_ref<Gate> out) {
    put([&] {
      detail::for_each("llep::gates", q.space(), out.rows * out.cols,
                       detail::multiply_rows<Row, Gate>{y, slots, g, out});
    });
  }

 private:
  template <class T>
  using byte_view = Kokkos::View<T*, memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

  template <class F>
  static void put(F f) {
    detail::translated(f);
  }

  template <class Row, class Gates>
  static void add(queue& q, Row const* y, std::int32_t const* slots, std::int64_t choices,
                  Gates gates, matrix_ref<Row> out) {
    put([&] {
      detail::for_rows("llep::combine", q.space(), out.rows,
                       detail::add_rows<Space, Row, Gates>{y, slots, choices, gates, out});
    });
  }

  // There is one table, so a queue waits for the queue that used it last.
  [[nodiscard]] std::int64_t* counting_table(queue& q, detail::row_chunks const& cut,
                                             std::int32_t experts) {
    wait(q, counted_);
    record(counted_, q);
    constexpr auto word = static_cast<byte_count>(sizeof(std::int64_t));
    return static_cast<std::int64_t*>(counters_.reserve(cut.count * (experts + 1) * word));
  }

  Space space_;
  detail::aligned_memory<memory_space, Waits> memory_;
  detail::aligned_memory<staging_space, Waits> staging_;
  detail::scratch_memory<memory_space, Waits> counters_;
  event counted_;
};

}  // namespace llep::kokkos
