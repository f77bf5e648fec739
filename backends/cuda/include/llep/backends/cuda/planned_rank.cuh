// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llep/backends/cuda/families.hpp>
#include <llep/backends/cuda/index.cuh>
#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/layout.hpp>
#include <llep/backends/cuda/owned_memory.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/backends/cuda/planned_kernels.cuh>
#include <llep/backends/cuda/planned_limits.hpp>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/rank_lists.cuh>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/tiled_products.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/concepts/device.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// One rank: its queue and memory, and what it puts on the queue in a step. It waits for nobody and
/// is waited for by nobody: that is the layer's.
template <family Family, row_element Row>
class planned_rank {
 public:
  static constexpr std::size_t blocks = Family::blocks;
  using element = typename Family::element;
  using lists_type = rank_lists<blocks, Row, element>;

  planned_rank(int device, Family const& family, rank_sizes const& sizes)
      : device_(device),
        sizes_(sizes),
        products_(family),
        memory_(device, lists_type::bytes(sizes)),
        queue_(made_on<cuda::queue>(device)),
        done_(made_on<cuda::event>(device)) {
    layout in(memory_.data());
    lists_.lay_out(in, sizes);
    auto const e = static_cast<std::size_t>(sizes.experts);
    std::vector<std::int64_t> offsets(e + 1);
    std::iota(offsets.begin(), offsets.end(), std::int64_t{0});
    upload<std::int64_t>(device, lists_.offsets, offsets);
    upload<row_segment>(device, lists_.segments, std::vector<row_segment>(e));
    on_device const here(device);
    check(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device),
          "cudaDeviceGetAttribute");
  }

  [[nodiscard]] int device() const { return device_; }
  [[nodiscard]] cuda::queue& queue() { return queue_; }
  [[nodiscard]] lists_type const& lists() const { return lists_; }

  /// Tells where everybody's weights and areas lie. `aligned` covers all that is lent.
  void connect(std::span<void const* const> weights, std::span<void* const> inputs,
               std::span<void* const> results, expert_weights<blocks> const& shape,
               alignment_of const& aligned) {
    upload<void const*>(device_, lists_.weights, weights);
    upload<void*>(device_, lists_.inputs, inputs);
    upload<void*>(device_, lists_.results, results);
    weights_ = shape;
    weights_.native = lists_.weights;
    weights_.lent = sizes_.lent_stride > 0 ? lists_.lent : nullptr;
    aligned_ = aligned;
  }

  /// @throws llep::error (invalid_argument) naming the rank and what of its batch can't be
  template <class Id, class Gate>
  void check_batch(planned_batch<Row, Id, Gate> const& batch) const {
    auto const tokens = batch.hidden.rows;
    if (tokens > sizes_.most.tokens)
      refuse("hidden", "has " + std::to_string(tokens) + " tokens, and may have " +
                           std::to_string(sizes_.most.tokens));
    check_matrix(batch.hidden, tokens, sizes_.hidden, "hidden");
    check_matrix(batch.ids, tokens, sizes_.most.choices, "ids");
    check_matrix(batch.gates, tokens, sizes_.most.choices, "gates");
    check_matrix(batch.out, tokens, sizes_.hidden, "out");
  }

  /// What is on the queue now.
  [[nodiscard]] cuda::event& mark() {
    on_device const here(device_);
    check(cudaEventRecord(done_.handle(), queue_.stream()), "cudaEventRecord");
    return done_;
  }
  void wait(cuda::event const& e) {
    check(cudaStreamWaitEvent(queue_.stream(), e.handle(), 0), "cudaStreamWaitEvent");
  }

  /// Rows by expert, into `report`, which the plan is made from.
  template <index_element Id>
  void count(matrix_ref<Id const> ids, std::int64_t* report) {
    on_device const here(device_);
    auto const stream = queue_.stream();
    auto const e = sizes_.experts;
    row_chunks const cut(ids.rows * ids.cols, e);
    counting_shape const shape(e);
    auto* const words = lists_.report;
    check(cudaMemsetAsync(words, 0xFF, sizeof *words, stream), "cudaMemsetAsync");
    launch(queue_, each(ids.rows * ids.cols), tame_ids<Id>, ids, e, lists_.experts);
    launch(queue_, shape.launch(cut.count), count_chunks<Id>, ids, cut, e, shape.shared_bytes > 0,
           lists_.table, reinterpret_cast<unsigned long long*>(words));
    launch(queue_, scan_shape(), scan_chunks<true>, cut.count, e, lists_.table, words + 2);
    launch(queue_, {1, 1}, name_bad<Id>, ids, words);
    check(cudaMemcpyAsync(report, words, static_cast<std::size_t>(2 + e) * sizeof *words,
                          cudaMemcpyDefault, stream),
          "cudaMemcpyAsync");
  }

  /// Which of the rank's rows of its expert each one is. After `count`.
  void index(std::int64_t tokens) {
    on_device const here(device_);
    matrix_ref<std::int32_t const> const ids(lists_.experts, tokens, sizes_.most.choices);
    row_chunks const cut(ids.rows * ids.cols, sizes_.experts);
    counting_shape const shape(sizes_.experts);
    launch(queue_, scan_shape(), scan_chunks<false>, cut.count, sizes_.experts, lists_.table,
           nullptr);
    launch(queue_, shape.launch(cut.count), place_chunks<std::int32_t>, ids, cut, sizes_.experts,
           shape.shared_bytes > 0, lists_.table, lists_.offsets, lists_.segments, lists_.nth);
  }

  /// The rank's rows, to those who compute them.
  void dispatch(planned_block const& plan, matrix_ref<Row const> x) {
    constexpr auto size = static_cast<byte_count>(sizeof(Row));
    auto const all = alignment_of().with(x.data).with(x.cols * size).with(x.stride * size);
    on_device const here(device_);
    with_word(all, [&]<class Word>(Word*) {
      std::int64_t const words = x.cols * size / static_cast<byte_count>(sizeof(Word));
      launch(queue_, {x.rows, threads_for(words)}, dispatch_tokens<Word>, plan, sizes_.me,
             reinterpret_cast<std::byte const*>(x.data), words, x.stride * size,
             sizes_.most.choices, lists_.experts, lists_.nth, lists_.inputs, lists_.places);
    });
  }

  /// What it computes with: its groups, and what is lent to it.
  void prepare(planned_block const& plan) {
    on_device const here(device_);
    launch(queue_, {1, 256}, place_groups<blocks>, plan, sizes_.me, weights_, lists_.groups,
           lists_.tiles_before, lists_.group_count);
    if (weights_.lent == nullptr || sizes_.most.lent_experts == 0) return;
    with_word(aligned_, [&]<class Word>(Word*) {
      launch(queue_, {8 * std::int64_t{processors_}, 256}, lend_blocks<Word, blocks>, plan,
             sizes_.me, weights_);
    });
  }

  void compute() {
    using groups = planned_groups<blocks>;
    constexpr bool compact = false;
    groups const of{lists_.groups, lists_.tiles_before, lists_.group_count};
    on_device const here(device_);
    products_.template forward<groups>(
        lists_.x, lists_.y, lists_.h, compact,
        [&](auto kernel, auto const& product, auto const& from, auto const& to) {
          launch(queue_, {4 * std::int64_t{processors_}, tile::threads}, kernel, of, product, from,
                 to);
        });
  }

  template <real_element Gate>
  void combine(planned_block const& plan, matrix_ref<Gate const> gates, matrix_ref<Row> out) {
    constexpr auto size = static_cast<byte_count>(sizeof(Row));
    auto const all = alignment_of().with(out.data).with(out.cols * size).with(out.stride * size);
    Row const nan = stored<Row>(std::numeric_limits<accumulator_t<Row>>::quiet_NaN());
    on_device const here(device_);
    with_vector<Row>(all, [&]<class Vector>(Vector*) {
      auto const vectors = out.cols / static_cast<std::int64_t>(sizeof(Vector) / sizeof(Row));
      launch(queue_, {out.rows, threads_for(vectors)}, combine_tokens<Vector, Row, Gate>, plan,
             lists_.places, lists_.results, gates, nan, out);
    });
  }

 private:
  [[noreturn]] void refuse(std::string_view name, std::string const& why) const {
    throw error(errc::invalid_argument, std::string(name) + ": " + why, sizes_.me);
  }
  template <class T>
  void check_matrix(matrix_ref<T> const& m, std::int64_t rows, std::int64_t cols,
                    std::string_view name) const {
    if (m.rows < 0) refuse(name, "has a negative number of rows");
    if (m.rows != rows || m.cols != cols)
      refuse(name, "is " + std::to_string(m.rows) + " x " + std::to_string(m.cols) +
                       ", and must be " + std::to_string(rows) + " x " + std::to_string(cols));
    if (rows == 0) return;
    if (m.stride < cols) refuse(name, "has rows that overlap");
    if (m.data == nullptr) refuse(name, "is null, and has rows");
    expects_reached(device_, m.data, alignof(T), sizes_.me, name);
  }
  template <class T>
  [[nodiscard]] static T made_on(int device) {
    on_device const here(device);
    return T();
  }
  [[nodiscard]] static launch_shape each(std::int64_t n) {
    constexpr int threads = 256;
    return {ceil_div(n, threads), threads};
  }
  [[nodiscard]] launch_shape scan_shape() const {
    return {ceil_div(sizes_.experts, warp_size), scan_runs * warp_size};
  }

  int device_;
  rank_sizes sizes_;
  tiled_products<Family, Row> products_;
  owned_memory memory_;
  lists_type lists_;
  expert_weights<blocks> weights_{};
  alignment_of aligned_;
  cuda::queue queue_;
  cuda::event done_;
  int processors_ = 1;
};

}  // namespace llep::cuda::detail
