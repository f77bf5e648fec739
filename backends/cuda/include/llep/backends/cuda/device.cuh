// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <llep/backends/cuda/device_state.hpp>
#include <llep/backends/cuda/index.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/rows.cuh>
#include <llep/backends/cuda/status.hpp>
#include <llep/backends/cuda/words.cuh>
#include <llep/concepts/training.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

/// Models llep::device, trains_rows and checks_memory on a GPU. Rows: float, double, bfloat16
/// (__nv_bfloat16), half (__half). Any H; rows whose addresses and sizes are multiples of 16 bytes
/// are read and written 16 bytes at a time.
///
/// Queues     streams; the user's, wrapped in a queue, runs what the user puts on it. All of them
///            are of this device. Calls make it the current one and the one before again.
/// Blocks     sync alone, and what takes or gives back memory. With a watch, sync asks the event
///            again and again, and calls the watch in between.
/// Errors     besides llep::device's: invalid_argument for a queue of another device. What runs out
///            of memory is std::bad_alloc. Kernels that fault break CUDA's context: every later
///            call throws.
/// Threads    as llep::device
///
/// @tparam Memory where device memory comes from: CUDA's pool, or your own allocator
template <memory_source Memory = pool_memory>
class device {
 public:
  using device_concept = device_tag;
  using queue = cuda::queue;
  using event = cuda::event;
  static constexpr bool host_memory = false;

  explicit device(int ordinal = current_device(), Memory memory = Memory())
      : state_(std::make_unique<detail::device_state<Memory>>(ordinal, std::move(memory))) {}

  /// CUDA's number of it.
  [[nodiscard]] int ordinal() const noexcept { return state_->ordinal(); }

  /// What `sync` calls while the host waits; it may throw, which ends the waiting. For transports
  /// that can fail meanwhile.
  void set_watch(std::function<void()> watch) { state_->set_watch(std::move(watch)); }

  [[nodiscard]] queue make_queue() {
    on_device const here(ordinal());
    return queue();
  }
  [[nodiscard]] event make_event() {
    on_device const here(ordinal());
    return event();
  }

  [[nodiscard]] void* allocate(byte_count bytes) { return state_->allocate(bytes); }
  void deallocate(void* p) noexcept { state_->deallocate(p); }
  [[nodiscard]] void* allocate_staging(byte_count bytes) { return state_->allocate_staging(bytes); }
  void deallocate_staging(void* p) noexcept { state_->deallocate_staging(p); }

  void copy(queue& q, void* dst, void const* src, byte_count bytes) {
    if (bytes == 0) return;
    put(q, [&] {
      check(
          cudaMemcpyAsync(dst, src, static_cast<std::size_t>(bytes), cudaMemcpyDefault, q.stream()),
          "cudaMemcpyAsync");
    });
  }
  void record(event& e, queue& q) {
    put(q, [&] { check(cudaEventRecord(e.handle(), q.stream()), "cudaEventRecord"); });
  }
  void wait(queue& q, event& e) {
    put(q, [&] { check(cudaStreamWaitEvent(q.stream(), e.handle(), 0), "cudaStreamWaitEvent"); });
  }
  void sync(event& e) { state_->sync(e); }

  /// Refuses memory that kernels of this device don't reach, and what isn't aligned to an element;
  /// null is fine. About half a microsecond.
  void check_memory(void const* p, std::size_t alignment, std::string_view name) const {
    if (p != nullptr) detail::expects_reached(ordinal(), p, alignment, no_rank, name);
  }

  template <index_element Id>
  void count(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t* bad,
             std::int64_t* counts) {
    put(q, [&] {
      check(cudaMemsetAsync(bad, 0xFF, sizeof *bad, q.stream()), "cudaMemsetAsync");
      with_counts(q, ids, experts, reinterpret_cast<unsigned long long*>(bad),
                  [&](auto const& cut, std::int32_t* table) {
                    launch(q, scan_shape(experts), detail::scan_chunks<true>, cut.count, experts,
                           table, counts);
                  });
      launch(q, {1, 1}, detail::name_bad<Id>, ids, bad);
    });
  }

  template <index_element Id>
  void index(queue& q, matrix_ref<Id const> ids, std::int32_t experts, std::int64_t const* offsets,
             row_segment const* segments, std::int32_t* slots) {
    detail::counting_shape const shape(experts);
    put(q, [&] {
      with_counts(q, ids, experts, nullptr, [&](auto const& cut, std::int32_t* table) {
        launch(q, scan_shape(experts), detail::scan_chunks<false>, cut.count, experts, table,
               nullptr);
        launch(q, shape.launch(cut.count), detail::place_chunks<Id>, ids, cut, experts,
               shape.shared_bytes > 0, table, offsets, segments, slots);
      });
    });
  }

  void pack(queue& q, std::byte const* x, byte_count row_bytes, byte_count stride_bytes,
            std::int64_t choices, std::int32_t const* slots, std::int64_t n, std::byte* out) {
    auto const all = detail::alignment_of().with(x).with(row_bytes).with(stride_bytes).with(out);
    detail::with_word(all, [&]<class Word>(Word*) {
      auto const words = row_bytes / static_cast<byte_count>(sizeof(Word));
      put(q, [&] {
        launch(q, {detail::ceil_div(n, choices), detail::threads_for(words)},
               detail::pack_tokens<Word>, x, words, stride_bytes, choices, slots, n,
               reinterpret_cast<Word*>(out));
      });
    });
  }

  void move_rows(queue& q, std::byte const* src, byte_count row_bytes, row_chunk const* chunks,
                 std::int64_t count, std::byte* dst) {
    if (count == 0) return;
    constexpr std::int64_t blocks = 4096;  // that fill a GPU, and more blocks a chunk when few
    std::int64_t const parts = std::clamp<std::int64_t>(blocks / count, 1, 512);
    auto const all = detail::alignment_of().with(src).with(row_bytes).with(dst);
    detail::with_word(all, [&]<class Word>(Word*) {
      put(q, [&] {
        launch(q, {count * parts, 256}, detail::move_chunks<Word>,
               reinterpret_cast<Word const*>(src),
               row_bytes / static_cast<byte_count>(sizeof(Word)), chunks, parts,
               reinterpret_cast<Word*>(dst));
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
    put(q, [&] {
      check(cudaMemsetAsync(p, 0, static_cast<std::size_t>(bytes), q.stream()), "cudaMemsetAsync");
    });
  }

  template <real_element T>
  void accumulate(queue& q, T const* src, std::int64_t n, T* dst) {
    constexpr int threads = 256;
    auto all = detail::alignment_of().with(src).with(dst);
    all.with(n * static_cast<byte_count>(sizeof(T)));
    detail::with_vector<T>(all, [&]<class Vector>(Vector*) {
      std::int64_t const vectors = n / (static_cast<std::int64_t>(sizeof(Vector) / sizeof(T)));
      put(q, [&] {
        launch(q, {detail::ceil_div(vectors, threads), threads}, detail::add_elements<Vector>,
               reinterpret_cast<Vector const*>(src), vectors, reinterpret_cast<Vector*>(dst));
      });
    });
  }

  template <row_element Row, real_element Gate>
  void pack_scaled(queue& q, matrix_ref<Row const> g, matrix_ref<Gate const> gates,
                   std::int32_t const* slots, Row* out) {
    detail::with_vector<Row>(rows_of(g).with(out), [&]<class Vector>(Vector*) {
      put(q, [&] {
        launch(q, row_shape<Vector, Row>(g.rows, g.cols), detail::scale_tokens<Vector, Row, Gate>,
               g, gates, slots, out);
      });
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
    constexpr int warps = 8;
    detail::with_vector<Row>(rows_of(g).with(y), [&]<class Vector>(Vector*) {
      put(q, [&] {
        launch(q, {detail::ceil_div(out.rows * out.cols, warps), warps * detail::warp_size},
               detail::multiply_rows<Vector, Row, Gate>, y, slots, g, out);
      });
    });
  }

 private:
  template <class F>
  void put(queue& q, F f) {
    expects(q.device() == ordinal(), "cuda: a queue of another GPU than the device's");
    on_device const here(ordinal());
    f();
  }

  template <class... Parameters, class... Arguments>
  static void launch(queue& q, detail::launch_shape const& shape, void (*kernel)(Parameters...),
                     Arguments&&... arguments) {
    detail::launch(q, shape, kernel, std::forward<Arguments>(arguments)...);
  }

  template <class T>
  [[nodiscard]] static detail::alignment_of rows_of(matrix_ref<T> m) {
    constexpr auto each = static_cast<byte_count>(sizeof(T));
    return detail::alignment_of().with(m.data).with(m.cols * each).with(m.stride * each);
  }

  // A block a row.
  template <class Vector, class Row>
  [[nodiscard]] static detail::launch_shape row_shape(std::int64_t rows, std::int64_t cols) {
    return {rows,
            detail::threads_for(cols / static_cast<std::int64_t>(sizeof(Vector) / sizeof(Row)))};
  }

  template <class Row, class Gates>
  void add(queue& q, Row const* y, std::int32_t const* slots, std::int64_t choices, Gates gates,
           matrix_ref<Row> out) {
    detail::with_vector<Row>(rows_of(out).with(y), [&]<class Vector>(Vector*) {
      put(q, [&] {
        launch(q, row_shape<Vector, Row>(out.rows, out.cols), detail::add_rows<Vector, Row, Gates>,
               y, slots, choices, gates, out);
      });
    });
  }

  [[nodiscard]] static detail::launch_shape scan_shape(std::int32_t experts) {
    return {detail::ceil_div(experts, detail::warp_size), detail::scan_runs * detail::warp_size};
  }

  // f(cut, table) puts what uses the table of counts on q, which is scratch.
  template <class Id, class F>
  void with_counts(queue& q, matrix_ref<Id const> ids, std::int32_t experts,
                   unsigned long long* bad, F f) {
    detail::row_chunks const cut(ids.rows * ids.cols, experts);
    detail::counting_shape const shape(experts);
    auto* const table = static_cast<std::int32_t*>(state_->take_scratch(
        q, cut.count * experts * static_cast<byte_count>(sizeof(std::int32_t))));
    struct lease {
      detail::device_state<Memory>& of;
      cuda::queue& on;
      ~lease() { of.release_scratch(on); }
    } const until_the_end{*state_, q};
    launch(q, shape.launch(cut.count), detail::count_chunks<Id>, ids, cut, experts,
           shape.shared_bytes > 0, table, bad);
    f(cut, table);
  }

  std::unique_ptr<detail::device_state<Memory>> state_;
};

}  // namespace llep::cuda
