// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/activation.cuh>
#include <llep/backends/cuda/blas_streams.hpp>
#include <llep/backends/cuda/column_sums.cuh>
#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/expert_blocks.hpp>
#include <llep/backends/cuda/families.hpp>
#include <llep/backends/cuda/gates.cuh>
#include <llep/backends/cuda/group_products.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/memory.hpp>
#include <llep/backends/cuda/products.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/concepts/training.hpp>
#include <llep/digest.hpp>
#include <llep/error.hpp>

namespace llep::cuda {

/// How a kernel puts its products on the device.
struct blas_options {
  int streams = 4;  ///< of the kernel's own, which the products of a call go to in turns
  /// Calls whose groups have fewer rows than this on average make one grouped product of all, where
  /// cuBLAS takes it. A product of 128 rows has one tile of rows: below that its time is that of
  /// reading weights and of launching it, from there on four of them fill a GPU.
  row_count grouped_below_rows = 128;
  /// Factors of float are cut to TF32. Not for double, and 16-bit rows have no need of it.
  bool tf32 = false;
};

/// An expert family in products of cuBLAS: blocks as in loops_kernel, which has the layout and is
/// the oracle.
///
/// Family  linear_expert, swiglu_expert or gptoss_expert of float or double: sizes and parameters,
///         and what is computed with
/// Row     what rows, weights and activations between products are stored in: the same, or bfloat16
///         or half for float. Gradients of weights are of the family's element.
/// Rounding  cuBLAS chooses how to sum by a product's sizes and alignment. So a row's result may
///         hang on how many rows its group has: layers of different plans agree within rounding,
///         not to the bit. The same call gives the same bits.
/// Graphs  a captured call uses the streams' workspaces: replays, and calls on other queues, follow
///         each other, or have streams of their own.
/// Queues  products run on side streams between what is on the queue and what comes there next. The
///         host doesn't wait, and calls can be captured in a graph.
/// Streams  blas_streams, with a workspace each: let the kernels of a model's layers share them. A
///         kernel without makes its own in its first call, which allocates and can't be captured.
/// Grouped products   see blas_options. cuBLAS makes them in the factors' type only, so that
///         16-bit rows' gradients of weights always take a product each; so does all of a call in
///         16 bits or TF32 where rows or weights aren't aligned to 16 bytes.
/// Work    3F Row elements a row (none for linear_expert), F rounded up to 16 bytes: activations of
///         all rows of a call; 24 bytes a group and block of the first product
/// Saved   2F Row elements a row, F rounded up likewise: z, without the bias
///
/// Weights whose addresses, and H and F in bytes, are multiples of 16 are faster.
template <detail::family Family, row_element Row = typename Family::element,
          memory_source Memory = pool_memory>
  requires detail::computes_rows_of<Family, Row>
class kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = device<Memory>;
  using queue = cuda::queue;
  using row_type = Row;
  using grad_type = typename Family::element;
  using streams_type = blas_streams<Memory>;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;
  using gradient_blocks = std::array<grad_type*, blocks>;

  /// @param family sizes and parameters
  /// @param native [E] where the blocks of expert e lie, in device memory; null for experts that
  ///        this rank doesn't own. Borrowed: they stay where they are while the kernel is in use.
  /// @param native_grads [E] likewise where their gradients lie, of the same sizes; only for
  ///        training
  /// @param streams that kernels share; null for the kernel's own, made in its first call on the
  ///        queue's device
  /// @throws llep::error (invalid_argument) if a size is below 1, for an option that makes no
  ///         sense, and for a block in host memory or not aligned to its elements, by name.
  kernel(Family family, std::vector<weight_blocks> native,
         std::vector<gradient_blocks> native_grads = {}, blas_options options = {},
         std::shared_ptr<streams_type> streams = nullptr)
      : family_(family),
        shape_(family),
        elements_(family.block_elements()),
        native_(std::move(native), "weights"),
        native_grads_(std::move(native_grads), "weights' gradient"),
        options_(options),
        streams_(std::move(streams)) {
    expects(options_.streams >= 1 && options_.streams <= 64,
            "cuda: blas_options: streams must be from 1 to 64");
    expects(options_.grouped_below_rows >= 0,
            "cuda: blas_options: grouped_below_rows must be at least 0");
    expects(streams_ != nullptr || std::same_as<Memory, pool_memory>,
            "cuda: a kernel makes streams with pool_memory only: give it some of yours");
  }

  [[nodiscard]] std::int64_t hidden() const noexcept { return family_.hidden; }
  /// Tells element types, TF32 and this library's kernels apart; ranks may differ in streams and
  /// in what goes grouped.
  [[nodiscard]] std::uint64_t digest() const {
    constexpr bool is_half = std::same_as<Row, half>;
    return llep::digest("cublas")
        .add(family_.digest())
        .add(static_cast<std::uint64_t>(sizeof(grad_type)))
        .add(static_cast<std::uint64_t>(sizeof(row_type)))
        .add(is_half)
        .add(detail::blas_compute<row_type>(options_.tf32) == CUBLAS_COMPUTE_32F_FAST_TF32)
        .value();
  }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return elements_[block] * static_cast<byte_count>(sizeof(row_type));
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return native_.template of<void const*>(e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    row_count rows = 0;
    for (row_count const n : rows_by_group) rows += n;
    byte_count const each = 3 * inner_stride() * row_bytes;
    expects(rows <= (std::numeric_limits<byte_count>::max)() / 2 / (each + 1),
            "cuda: more rows than memory can have activations of");
    return work_parts(rows, std::ssize(rows_by_group)).end;
  }

  void forward(queue& q, std::span<row_group<blocks> const> groups, row_type const* x, row_type* y,
               void* work) {
    forward(q, groups, x, y, nullptr, work);
  }

  // training

  [[nodiscard]] std::int64_t grad_elements(std::size_t block) const { return elements_[block]; }
  [[nodiscard]] std::array<void*, blocks> native_grad(expert_id e) const {
    return native_grads_.template of<void*>(e);
  }
  [[nodiscard]] byte_count saved_row_bytes() const { return 2 * inner_stride() * row_bytes; }
  [[nodiscard]] byte_count backward_work_bytes(std::span<row_count const> rows_by_group) const {
    return work_bytes(rows_by_group);
  }

  /// A null `saved` is nothing to be saved.
  void forward(queue& q, std::span<row_group<blocks> const> groups, row_type const* x, row_type* y,
               void* saved, void* work) {
    on_device const here(q.device());
    auto& streams = streams_for(q);
    areas const at = arrange(groups, saved, work);
    if constexpr (gated) {
      auto const z = saved == nullptr ? at.z : kept(static_cast<row_type*>(saved));
      streams.fork(
          q, [&](auto lane) { products_.multiply(lane, shape_.input, of_rows(x), z, false); });
      detail::apply_gates<shape_type::input_bias>(q, products_.groups(), padded_gate(),
                                                  family_.saved_elements(), reading(z), at.h);
      if (biased) detail::fill_rows(q, products_.groups(), shape_type::down_bias, of_rows(y));
      streams.fork(q, [&](auto lane) {
        products_.multiply(lane, shape_.down, reading(at.h), of_rows(y), biased);
      });
    } else {
      streams.fork(q, [&](auto lane) {
        products_.multiply(lane, shape_.input, of_rows(x), of_rows(y), false);
      });
    }
  }

  void backward(queue& q, std::span<gradient_group<blocks> const> groups, row_type const* x,
                void const* saved, row_type const* gy, row_type* gx, void* work) {
    on_device const here(q.device());
    auto& streams = streams_for(q);
    areas const at = arrange(groups, saved, work);
    if constexpr (gated) {
      auto const z = saved == nullptr ? reading(at.z) : kept(static_cast<row_type const*>(saved));
      streams.fork(q, [&](auto lane) {
        if (saved == nullptr) products_.multiply(lane, shape_.input, of_rows(x), at.z, false);
        products_.go_back(lane, shape_.down, of_rows(gy), at.h);
      });
      detail::apply_gates_back<shape_type::input_bias>(q, products_.groups(), padded_gate(),
                                                       family_.saved_elements(), z, at.h, at.z);
      streams.fork(q, [&](auto lane) {
        products_.add_gradients(lane, shape_.down, reading(at.h), of_rows(gy));
        products_.add_gradients(lane, shape_.input, of_rows(x), reading(at.z));
        products_.go_back(lane, shape_.input, reading(at.z), of_rows(gx));
        if constexpr (biased) {  // on q, beside them
          add_bias_gradient(q, shape_type::down_bias, of_rows(gy));
          add_bias_gradient(q, shape_type::input_bias, reading(at.z));
        }
      });
    } else {
      streams.fork(q, [&](auto lane) {
        products_.add_gradients(lane, shape_.input, of_rows(x), of_rows(gy));
        products_.go_back(lane, shape_.input, of_rows(gy), of_rows(gx));
      });
    }
  }

 private:
  using shape_type = detail::expert_shape<Family>;
  template <class T>
  using area = detail::row_area<T>;
  static constexpr bool gated = blocks > 1;
  static constexpr bool biased = [] {
    if constexpr (gated) return shape_type::down_bias != detail::no_block;
    return false;
  }();
  static constexpr auto row_bytes = static_cast<byte_count>(sizeof(row_type));

  // The work: pointers of a grouped call, h [rows][F], z [rows][2F].
  struct work_offsets {
    byte_count h, z, end;
  };
  struct areas {
    area<row_type> h, z;
  };

  [[nodiscard]] std::int64_t inner_stride() const {
    return detail::padded_inner<row_type>(family_.saved_elements() / 2);
  }
  [[nodiscard]] work_offsets work_parts(row_count rows, std::int64_t groups) const {
    auto const aligned = [](byte_count bytes) { return (bytes + 255) / 256 * 256; };
    byte_count const h = aligned(detail::pointer_bytes(groups * shape_.input.count));
    byte_count const z = h + aligned(rows * inner_stride() * row_bytes);
    return {h, z, z + aligned(rows * 2 * inner_stride() * row_bytes)};
  }
  template <class Group>
  [[nodiscard]] areas arrange(std::span<Group const> groups, void const* saved, void* work) {
    expects(detail::alignment_of().with(saved).with(work).allows(16),
            "cuda: work and what is saved must be aligned to 16 bytes");
    row_count rows = 0;
    for (Group const& group : groups) rows += group.rows;
    auto const at = work_parts(rows, std::ssize(groups));
    auto* const base = static_cast<std::byte*>(work);
    products_.take(groups, static_cast<void const**>(work), inner_stride(),
                   options_.grouped_below_rows, options_.tf32);
    return {{reinterpret_cast<row_type*>(base + at.h), inner_stride(), true},
            {reinterpret_cast<row_type*>(base + at.z), 2 * inner_stride(), true}};
  }

  template <class T>
  [[nodiscard]] area<T> of_rows(T* rows) const {
    return {rows, hidden(), false};
  }
  template <class T>
  [[nodiscard]] area<T> kept(T* saved) const {
    return {saved, 2 * inner_stride(), false};
  }
  [[nodiscard]] static area<row_type const> reading(area<row_type> a) {
    return {a.data, a.stride, a.compact};
  }

  [[nodiscard]] streams_type& streams_for(queue& q) {
    if (streams_ == nullptr) {
      if constexpr (std::same_as<Memory, pool_memory>)
        streams_ = std::make_shared<streams_type>(options_.streams);
    }
    expects(streams_->device() == q.device(),
            "cuda: a queue of another GPU than that of the kernel's streams");
    return *streams_;
  }

  [[nodiscard]] auto padded_gate() const
    requires gated
  {
    auto gate = shape_.gate;
    if constexpr (requires { gate.inner; }) gate.inner = inner_stride();
    return gate;
  }
  void add_bias_gradient(queue& q, std::size_t bias, area<row_type const> gy) {
    detail::add_column_sums<grad_type>(q, products_.groups(), bias, elements_[bias], gy);
  }

  Family family_;
  shape_type shape_;
  std::array<std::int64_t, blocks> elements_;
  detail::expert_blocks<row_type const*, blocks> native_;
  detail::expert_blocks<grad_type*, blocks> native_grads_;
  blas_options options_;
  std::shared_ptr<streams_type> streams_;
  detail::group_products<blocks, row_type> products_;
};

}  // namespace llep::cuda
