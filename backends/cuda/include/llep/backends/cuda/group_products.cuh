// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <llep/backends/cuda/gates.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/products.cuh>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// The groups of a call, and the products of their rows and blocks. `lane(i)` is a stream with a
/// handle, of blas_streams::fork. Blocks side by side have their columns of the wider rows
/// `apart` elements from each other.
template <std::size_t Blocks, row_element Row>
class group_products {
  using number = accumulator_t<Row>;

 public:
  using group = placed_group<Blocks>;

  /// Takes the groups of a call. `pointers` is device memory, of pointer_bytes for each product of
  /// a group with the blocks of a range.
  template <class Group>
  void take(std::span<Group const> groups, void const** pointers, std::int64_t apart,
            row_count grouped_below_rows, bool tf32) {
    groups_.clear();
    row_count rows = 0;
    for (Group const& from : groups) {
      group& to = groups_.emplace_back();
      to.first = from.first;
      to.rows = from.rows;
      to.compact = rows;
      for (std::size_t b = 0; b < Blocks; ++b) {
        to.weights[b] = from.weights[b];
        if constexpr (requires { from.grads; }) to.grads[b] = from.grads[b];
      }
      rows += from.rows;
    }
    pointers_ = pointers;
    apart_ = apart;
    compute_ = blas_compute<Row>(tf32);
    one_call_ = groups.size() > 1 && rows / std::ssize(groups) < grouped_below_rows;
  }
  [[nodiscard]] std::span<group const> groups() const { return groups_; }

  /// out = in times the blocks; `adds` to what is in out.
  template <class Lane>
  void multiply(Lane lane, block_range const& by, row_area<Row const> in, row_area<Row> out,
                bool adds) {
    list(by, [&](group const& g, std::size_t b, std::int64_t column) {
      return product_forward<Row>(part(in, g, 0, by.in), weights(g, by, b),
                                  part(out, g, column, by.out));
    });
    product_kind<Row, Row> const kind{CUBLAS_OP_N, CUBLAS_OP_N, adds, compute_};
    put(lane, kind, list_, goes_in_one_call(kind));
  }

  /// gx = gy times the blocks turned, summed over them, block by block.
  template <class Lane>
  void go_back(Lane lane, block_range const& by, row_area<Row const> gy, row_area<Row> gx) {
    list(by, [&](group const& g, std::size_t b, std::int64_t column) {
      return product_back<Row>(part(gy, g, column, by.out), weights(g, by, b),
                               part(gx, g, 0, by.in));
    });
    product_kind<Row, Row> kind{CUBLAS_OP_T, CUBLAS_OP_N, false, compute_};
    bool const one_call = goes_in_one_call(kind);  // of every block, so that they keep their lanes
    for (std::size_t b = 0; b < static_cast<std::size_t>(by.count); ++b, kind.adds = true)
      put(lane, kind, std::span(list_).subspan(b * groups_.size(), groups_.size()), one_call);
  }

  /// Adds the blocks' gradients.
  template <class Lane>
  void add_gradients(Lane lane, block_range const& of, row_area<Row const> x,
                     row_area<Row const> gy) {
    list(of, [&](group const& g, std::size_t b, std::int64_t column) {
      matrix_ref<number> const gw(static_cast<number*>(g.grads[of.first + b]), of.in, of.out);
      return product_gradient<Row, number>(part(x, g, 0, of.in), part(gy, g, column, of.out), gw);
    });
    product_kind<Row, number> const kind{CUBLAS_OP_N, CUBLAS_OP_T, true, compute_};
    put(lane, kind, list_, goes_in_one_call(kind));
  }

 private:
  // Of a group's rows, from a column on.
  template <class T>
  [[nodiscard]] static matrix_ref<T> part(row_area<T> const& area, group const& g,
                                          std::int64_t column, std::int64_t columns) {
    return {area.row(g, 0) + column, g.rows, columns, area.stride};
  }
  [[nodiscard]] static matrix_ref<Row const> weights(group const& g, block_range const& by,
                                                     std::size_t b) {
    return {static_cast<Row const*>(g.weights[by.first + b]), by.in, by.out};
  }

  // All groups with the first block, then with the next.
  template <class Make>
  void list(block_range const& of, Make make) {
    list_.clear();
    for (std::int64_t b = 0; b < of.count; ++b)
      for (group const& g : groups_)
        list_.push_back(make(g, static_cast<std::size_t>(b), b * apart_));
  }

  template <class Out>
  [[nodiscard]] bool goes_in_one_call(product_kind<Row, Out> const& kind) const {
    return one_call_ && kind.goes_grouped(list_);
  }
  template <class Lane, class Out>
  void put(Lane lane, product_kind<Row, Out> const& kind, std::span<blas_product const> products,
           bool one_call) {
    if (one_call) {
      auto& first = lane(0);
      calls_.grouped(first.side, first.handle.get(), kind, products, pointers_);
      return;
    }
    for (std::size_t i = 0; i < products.size(); ++i)
      calls_.single(lane(i).handle.get(), kind, products[i]);
  }

  std::vector<group> groups_;
  std::vector<blas_product> list_;
  product_calls<number> calls_;
  void const** pointers_ = nullptr;
  std::int64_t apart_ = 0;
  cublasComputeType_t compute_ = CUBLAS_COMPUTE_32F;
  bool one_call_ = false;
};

}  // namespace llep::cuda::detail
