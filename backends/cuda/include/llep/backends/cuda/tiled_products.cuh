// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/families.hpp>
#include <llep/backends/cuda/gates.cuh>
#include <llep/backends/cuda/groups.cuh>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/tiles.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// A family's way forward as products by tiles, whoever knows the groups.
template <family Family, row_element Row>
class tiled_products {
 public:
  using element = typename Family::element;
  static constexpr bool gated = Family::blocks > 1;

  explicit tiled_products(Family const& family) : hidden_(family.hidden), shape_(family) {}

  /// Of the activations between the products, for each row; 0 where there is one product.
  [[nodiscard]] std::int64_t inner() const {
    if constexpr (gated)
      return first().columns();
    else
      return 0;
  }

  /// launch(kernel of these groups, product, from, to) for each product in turn. Rows of h are
  /// packed; x and y are where the groups say, and so is h unless `compact`.
  template <class Groups, class Launch>
  void forward(Row const* x, Row* y, element* h, bool compact, Launch const& launch) const {
    row_area<Row const> const in{x, hidden_, false};
    row_area<Row> const out{y, hidden_, false};
    if constexpr (gated) {
      launch(kernel<Groups, decltype(first()), Row, element>, first(), in,
             row_area<element>{h, inner(), compact});
      launch(kernel<Groups, plain, element, Row>, plain{shape_.down, shape_.down_bias},
             row_area<element const>{h, inner(), compact}, out);
    } else {
      launch(kernel<Groups, plain, Row, Row>, plain{shape_.input, no_block}, in, out);
    }
  }

 private:
  using plain = plain_product<element>;

  template <class Groups, class Product, class In, class Out>
  static constexpr auto kernel = multiply_groups<Row, element, Groups, Product, In, Out>;

  [[nodiscard]] auto first() const
    requires gated
  {
    using gate = decltype(shape_.gate);
    return gated_product<element, gate>{shape_.input, shape_.input_bias, shape_.gate};
  }

  std::int64_t hidden_;
  expert_shape<Family> shape_;
};

}  // namespace llep::cuda::detail
