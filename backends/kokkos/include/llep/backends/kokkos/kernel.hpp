// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <Kokkos_Core.hpp>

#include <llep/backends/kokkos/device.hpp>
#include <llep/backends/kokkos/gates.hpp>
#include <llep/backends/kokkos/groups.hpp>
#include <llep/backends/kokkos/products.hpp>
#include <llep/backends/kokkos/row_types.hpp>
#include <llep/concepts/training.hpp>
#include <llep/digest.hpp>
#include <llep/error.hpp>
#include <llep/kernel/feed_forward.hpp>

namespace llep::kokkos {

namespace detail {

/// The families that have a way by tiles. A user can't add one.
// clang-format off
template <class F>
concept tiled_family =
    (std::same_as<typename F::element, float> || std::same_as<typename F::element, double>) &&
    (std::same_as<F, linear_expert<typename F::element>> ||
     std::same_as<F, swiglu_expert<typename F::element>> ||
     std::same_as<F, gptoss_expert<typename F::element>>);
// clang-format on

/// What the family computes with is what sums over such rows are kept in.
template <class F, class Row>
concept computes_rows_of = std::same_as<typename F::element, accumulator_t<Row>>;

}  // namespace detail

/// An expert family in team-parallel products of tiles, all groups in a launch: blocks as in
/// loops_kernel, which has the layout and is the oracle. A row's result and its gradient never hang
/// on its neighbours, so the layer's output, and its gradients by hidden states and gates, are
/// bit-identical for every plan. Gradients of weights are summed by rows, ascending.
///
/// Family  linear_expert, swiglu_expert or gptoss_expert of float or double: sizes and parameters,
///         and what is computed with
/// Row     what rows and weights are stored in: the same, or bfloat16 or half for float. Gradients
///         of weights, and what is saved, are of the family's element.
/// Work    3F elements a row (none for linear_expert): activations of all rows of a call
template <detail::tiled_family Family, execution_space Space = Kokkos::DefaultExecutionSpace,
          row_element Row = typename Family::element>
  requires detail::computes_rows_of<Family, Row>
class kernel {
 public:
  using expert_kernel_concept = expert_kernel_tag;
  using device_type = device<Space>;
  using queue = typename device_type::queue;
  using row_type = Row;
  using grad_type = typename Family::element;
  static constexpr std::size_t blocks = Family::blocks;
  using weight_blocks = std::array<row_type const*, blocks>;
  using gradient_blocks = std::array<grad_type*, blocks>;

  /// @param family sizes and parameters
  /// @param native [E] where the blocks of expert e lie, in device memory; not looked at for
  ///        experts that this rank doesn't own. Borrowed: they stay where they are while the kernel
  ///        is in use.
  /// @param native_grads [E] likewise where their gradients lie, of the same sizes; only for
  ///        training
  /// @throws llep::error (invalid_argument) if a size is below 1.
  kernel(Family family, std::vector<weight_blocks> native,
         std::vector<gradient_blocks> native_grads = {})
      : family_(family),
        shape_(family),
        elements_(family.block_elements()),
        native_(std::move(native)),
        native_grads_(std::move(native_grads)) {}

  [[nodiscard]] std::int64_t hidden() const noexcept { return family_.hidden; }
  /// Not another kernel's, nor that of another kind of space: ranks that mixed them would give
  /// other bits with another plan.
  [[nodiscard]] std::uint64_t digest() const {
    constexpr bool is_half = std::same_as<Row, half>;
    return llep::digest("kokkos")
        .add(family_.digest())
        .add(static_cast<std::uint64_t>(sizeof(grad_type)))
        .add(static_cast<std::uint64_t>(sizeof(row_type)))
        .add(static_cast<std::uint64_t>(is_half))
        .add(static_cast<std::uint64_t>(detail::on_host<Space>))
        .value();
  }
  [[nodiscard]] byte_count block_bytes(std::size_t block) const {
    return elements_[block] * static_cast<byte_count>(sizeof(row_type));
  }
  [[nodiscard]] std::array<void const*, blocks> native(expert_id e) const {
    return blocks_of<void const*>(native_, e);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows_by_group) const {
    byte_count const each = (family_.saved_elements() + inner_columns()) * element_bytes;
    row_count rows = 0;
    for (row_count const n : rows_by_group) rows += n;
    expects(rows <= (std::numeric_limits<byte_count>::max)() / (each + 1),
            "kokkos: more rows than memory can have activations of");
    return rows * each;
  }

  void forward(queue& q, std::span<row_group<blocks> const> groups, row_type const* x, row_type* y,
               void* work) {
    forward(q, groups, x, y, nullptr, work);
  }

  // training

  [[nodiscard]] std::int64_t grad_elements(std::size_t block) const { return elements_[block]; }
  [[nodiscard]] std::array<void*, blocks> native_grad(expert_id e) const {
    return blocks_of<void*>(native_grads_, e);
  }
  [[nodiscard]] byte_count saved_row_bytes() const {
    return family_.saved_elements() * element_bytes;
  }
  [[nodiscard]] byte_count backward_work_bytes(std::span<row_count const> rows_by_group) const {
    return work_bytes(rows_by_group);
  }

  /// A null `saved` is nothing to be saved.
  void forward(queue& q, std::span<row_group<blocks> const> groups, row_type const* x, row_type* y,
               void* saved, void* work) {
    detail::translated([&] {
      if constexpr (gated) {
        auto const h = inner(work);
        auto const z = saved == nullptr ? outer(work, groups) : kept(static_cast<element*>(saved));
        multiply(q, groups, shape_.input, shape_.input_bias, of_rows(x), z);
        using gate = decltype(shape_.gate);
        launch_rows<detail::gate_rows<Space, blocks, element, gate>>("llep::gate", q, groups,
                                                                     shape_.gate, reading(z), h);
        multiply(q, groups, shape_.down, shape_.down_bias, reading(h), of_rows(y));
      } else {
        multiply(q, groups, shape_.input, detail::no_block, of_rows(x), of_rows(y));
      }
    });
  }

  void backward(queue& q, std::span<gradient_group<blocks> const> groups, row_type const* x,
                void const* saved, row_type const* gy, row_type* gx, void* work) {
    detail::translated([&] {
      if constexpr (gated) {
        auto const h = inner(work);
        auto const gz = outer(work, groups);
        auto const z = saved == nullptr ? reading(gz) : kept(static_cast<element const*>(saved));
        if (saved == nullptr) multiply(q, groups, shape_.input, shape_.input_bias, of_rows(x), gz);
        go_back(q, groups, shape_.down, of_rows(gy), h);
        using gate = decltype(shape_.gate);
        launch_rows<detail::gate_rows_back<Space, blocks, element, gate>>("llep::gate", q, groups,
                                                                          shape_.gate, z, h, gz);
        add_gradients(q, groups, shape_.down, shape_.down_bias, reading(h), of_rows(gy));
        add_gradients(q, groups, shape_.input, shape_.input_bias, of_rows(x), reading(gz));
        go_back(q, groups, shape_.input, reading(gz), of_rows(gx));
      } else {
        add_gradients(q, groups, shape_.input, detail::no_block, of_rows(x), of_rows(gy));
        go_back(q, groups, shape_.input, of_rows(gy), of_rows(gx));
      }
    });
  }

 private:
  using element = typename Family::element;
  using shape_type = detail::expert_shape<Family>;
  template <class T>
  using area = detail::row_area<T>;
  static constexpr bool gated = blocks > 1;
  static constexpr auto element_bytes = static_cast<byte_count>(sizeof(element));

  [[nodiscard]] std::int64_t inner_columns() const { return family_.saved_elements() / 2; }

  // The caller's rows, and the work's: first h [rows][F], then z [rows][2F].
  template <class T>
  [[nodiscard]] area<T> of_rows(T* rows) const {
    return {rows, hidden(), false};
  }
  template <class T>
  [[nodiscard]] area<T> kept(T* saved) const {
    return {saved, family_.saved_elements(), false};
  }
  [[nodiscard]] area<element> inner(void* work) const {
    return {static_cast<element*>(work), inner_columns(), true};
  }
  template <class Group>
  [[nodiscard]] area<element> outer(void* work, std::span<Group const> groups) const {
    row_count rows = 0;
    for (Group const& group : groups) rows += group.rows;
    return {static_cast<element*>(work) + rows * inner_columns(), family_.saved_elements(), true};
  }
  [[nodiscard]] static area<element const> reading(area<element> a) {
    return {a.data, a.stride, a.compact};
  }

  template <class Group, class In, class Out>
  void multiply(queue& q, std::span<Group const> groups, detail::block_range const& by,
                std::size_t bias, area<In> in, area<Out> out) {
    launch_tiles<
        detail::forward_product<Space, blocks, element, Row, std::remove_const_t<In>, Out>>(
        "llep::multiply", q, groups, by, bias, in, out);
  }
  template <class In, class Out>
  void go_back(queue& q, std::span<gradient_group<blocks> const> groups,
               detail::block_range const& by, area<In> gy, area<Out> gx) {
    launch_tiles<detail::input_gradient<Space, blocks, element, Row, std::remove_const_t<In>, Out>>(
        "llep::go_back", q, groups, by, gy, gx);
  }
  template <class Left, class Right>
  void add_gradients(queue& q, std::span<gradient_group<blocks> const> groups,
                     detail::block_range const& of, std::size_t bias, area<Left> x,
                     area<Right> gy) {
    using right = std::remove_const_t<Right>;
    launch_tiles<detail::weight_gradient<Space, blocks, element, std::remove_const_t<Left>, right>>(
        "llep::gradient", q, groups, of, x, gy);
    if (bias == detail::no_block) return;
    batches<detail::bias_gradient<Space, blocks, element, right>>(
        groups,
        [&](auto const& body, std::int64_t items) {
          detail::for_each("llep::bias", q.space(), items, body);
        },
        bias, elements_[bias], gy);
  }

  template <class Body, class Group, class... Rest>
  static void launch_tiles(char const* label, queue& q, std::span<Group const> groups,
                           Rest const&... rest) {
    using shape = typename Body::shape;
    constexpr int alignment = 64;
    batches<Body>(
        groups,
        [&](Body const& body, std::int64_t items) {
          detail::for_teams<shape::threads>(label, q.space(), items, body, shape::scratch_level,
                                            shape::template scratch_bytes<element> + alignment);
        },
        rest...);
  }
  template <class Body, class Group, class... Rest>
  static void launch_rows(char const* label, queue& q, std::span<Group const> groups,
                          Rest const&... rest) {
    batches<Body>(
        groups,
        [&](Body const& body, std::int64_t items) {
          detail::for_rows(label, q.space(), items, body);
        },
        rest...);
  }
  template <class Body, class Group, class F, class... Rest>
  static void batches(std::span<Group const> groups, F f, Rest const&... rest) {
    static_assert(sizeof(Body) < 4000, "what CUDA takes as arguments of a launch");
    Body body{{}, rest...};
    detail::for_batches<blocks>(
        groups, [&](row_count rows) { return body.items(rows); },
        [&](auto const& batch, std::int64_t items) {
          body.batch = batch;
          f(body, items);
        });
  }

  template <class Pointer, class Blocks>
  [[nodiscard]] static std::array<Pointer, blocks> blocks_of(std::vector<Blocks> const& all,
                                                             expert_id e) {
    std::array<Pointer, blocks> at{};
    if (static_cast<std::size_t>(e) < all.size())
      for (std::size_t b = 0; b < blocks; ++b) at[b] = all[static_cast<std::size_t>(e)][b];
    return at;
  }

  Family family_;
  shape_type shape_;
  std::array<std::int64_t, blocks> elements_;
  std::vector<weight_blocks> native_;
  std::vector<gradient_blocks> native_grads_;
};

}  // namespace llep::kokkos
