// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <llep/checks/levels.hpp>
#include <llep/dispatcher.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>
#include <llep/testing/experts.hpp>
#include <llep/testing/layer_case.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::testing {

/// What a layer is held to.
template <class T>
struct layer_options {
  double tolerance = 10 * default_tolerance<T>;  ///< as a part of the scale
  bool aligned_natives = false;  ///< native weights and gradients are aligned as lent ones are
  expert_sizes sizes{9, 7, 1};
};

namespace detail {

/// One rank's part in steps of one layer, and what they make of it.
template <expert_family Family, communicator C, class Make>
class layer_check {
  using T = typename Family::element;
  using device_type = typename C::device_type;
  using kernel_type = std::invoke_result_t<Make&, Family, std::vector<block_pointers<Family>>,
                                           std::vector<gradient_pointers<Family>>>;
  template <class U>
  using list = on_device<device_type, U>;
  static constexpr bool trains = trainable_family<Family> && trainable_kernel<kernel_type>;

 public:
  layer_check(C& group, typename device_type::queue& q, Family const& family, Make& make,
              std::uint64_t seed, layer_options<T> const& how)
      : group_(group),
        q_(q),
        make_(make),
        how_(how),
        random_(seed + static_cast<std::uint64_t>(group.size()) * 1000003),
        witness_("layer", seed, group.rank()),
        case_(random_, group.size(), family, how.sizes),
        weights_(group.device(), q, case_.weights, how.aligned_natives),
        x_(group.device(), q, mine(case_.x, case_.family.hidden)),
        grad_out_(group.device(), q, mine(case_.grad_out, case_.family.hidden)),
        gates_(group.device(), q, mine(case_.gates, case_.choices)),
        ids_(group.device(), q, mine(case_.ids, case_.choices)) {}

  /// Steps with one planner and row order, forward and backward; looks at nothing yet.
  template <planner P, row_order R>
  void run(P const& policy, R const& order) {
    dispatcher<P, C, kernel_type, R, checks_thorough> moe(q_, group_, case_.owner, policy, order);
    auto start = case_.weights;
    for (auto& blocks : start)
      for (auto& block : blocks) std::fill(block.begin(), block.end(), T{1});
    device_blocks<Family, device_type> const grads(group_.device(), q_, start,
                                                   how_.aligned_natives);
    kernel_type kernel = make_kernel(grads);
    auto& device = group_.device();
    list<T> const out(device, q_, blank(case_.family.hidden));
    moe.forward(q_, kernel, rows(x_), ids(), gates(gates_), rows(out));
    outcome got;
    got.out = out.read();
    if constexpr (trains) {
      list<T> const again(device, q_, blank(case_.family.hidden));
      list<T> const hidden(device, q_, blank(case_.family.hidden));
      list<float> const gate_grads(device, q_, mine(case_.gates, case_.choices));
      training const keep{random_.chance(50), random_.chance(50), random_.chance(50)};
      auto record = moe.forward(q_, kernel, rows(x_), ids(), gates(gates_), rows(again), keep);
      moe.backward(q_, kernel, record, rows(grad_out_), rows(hidden), gate_places(gate_grads));
      got.again = again.read();
      got.hidden = hidden.read();
      for (float const g : gate_grads.read()) got.gates.push_back(static_cast<T>(g));
      got.weights = grads.read(got.kept_to_its_memory);
    }
    outcomes_.push_back(got);
  }

  /// Of all steps, so that a rank which finds a broken promise has made all its calls.
  void look() const {
    auto const expected = case_.dense(T{1});
    for (outcome const& got : outcomes_) {
      compare(got.out, expected.out, case_.family.hidden, "forward makes the dense output",
              how_.tolerance);
      if constexpr (trains) {
        witness_.holds(got.kept_to_its_memory,
                       "backward writes nothing around gradients of weights");
        witness_.same(got.again, got.out, "forward makes the same bits with a record");
        compare(got.hidden, expected.hidden, case_.family.hidden,
                "backward makes the dense gradients by hidden states", how_.tolerance);
        compare(got.gates, expected.gates, case_.choices,
                "backward makes the dense gradients by gates",
                (std::max)(how_.tolerance, 10 * default_tolerance<float>));  // they are floats
        for (std::size_t i = 0; i < expected.weights.size(); ++i) {
          if (case_.owner[i / Family::blocks] == group_.rank())
            witness_.close(got.weights[i], expected.weights[i], how_.tolerance,
                           "backward adds the dense gradients of weights");
          else
            witness_.same(got.weights[i], std::vector<T>(expected.weights[i].size(), T{1}),
                          "backward touches no other rank's gradients");
        }
      }
    }
  }

 private:
  struct outcome {
    std::vector<T> out, again, hidden, gates;
    std::vector<std::vector<T>> weights;  // every expert's blocks
    bool kept_to_its_memory = true;
  };

  template <class U>
  [[nodiscard]] std::vector<U> mine(std::vector<U> const& all, std::int64_t each) const {
    return case_.part(all, group_.rank(), each);
  }
  [[nodiscard]] std::int64_t tokens() const { return case_.tokens[at(group_.rank())]; }
  [[nodiscard]] std::vector<T> blank(std::int64_t each) const {
    return std::vector<T>(at(tokens() * each), T{-77});
  }
  [[nodiscard]] matrix_ref<T> rows(list<T> const& of) const {
    return {of.data(), tokens(), case_.family.hidden};
  }
  [[nodiscard]] matrix_ref<std::int32_t const> ids() const {
    return {ids_.data(), tokens(), case_.choices};
  }
  [[nodiscard]] matrix_ref<float const> gates(list<float> const& of) const {
    return {of.data(), tokens(), case_.choices};
  }
  [[nodiscard]] matrix_ref<float> gate_places(list<float> const& of) const {
    return {of.data(), tokens(), case_.choices};
  }

  // Knows the places of this rank's experts alone.
  [[nodiscard]] kernel_type make_kernel(device_blocks<Family, device_type> const& grads) const {
    std::vector<block_pointers<Family>> native(case_.weights.size());
    std::vector<gradient_pointers<Family>> native_grads(case_.weights.size());
    for (std::size_t e = 0; e < native.size(); ++e) {
      if (case_.owner[e] != group_.rank()) continue;
      native[e] = weights_.reading(e);
      native_grads[e] = grads.of(e);
    }
    return make_(case_.family, native, native_grads);
  }

  // This rank's part, by the scale of the whole layer.
  void compare(std::vector<T> const& got, std::vector<T> const& all, std::int64_t each,
               char const* promise, double tolerance) const {
    witness_.close(got, mine(all, each), tolerance, promise, scale_of(all));
  }

  C& group_;
  typename device_type::queue& q_;
  Make& make_;
  layer_options<T> how_;
  seeded random_;
  witness witness_;
  layer_case<Family> case_;
  device_blocks<Family, device_type> weights_;
  list<T> x_, grad_out_;
  list<float> gates_;
  list<std::int32_t> ids_;
  std::vector<outcome> outcomes_;
};

}  // namespace detail

/// Holds whole steps over a communicator and a kernel, forward and backward, against the layer
/// computed densely on the host, with one planner and row order. Collective; every rank draws the
/// whole layer from the seed, so that nothing is gathered to compare.
///
/// @param family, make as at check_kernel
/// @throws broken_promise on a rank that sees one, when all its calls are made; the other ranks
///         don't learn of it. What the dispatcher throws comes through, on every rank.
template <expert_family Family, communicator C, class Make, planner P, row_order R>
void check_layer(C& group, typename C::device_type::queue& q, Family const& family, Make make,
                 std::uint64_t seed, P const& policy, R const& order,
                 layer_options<typename Family::element> const& how = {}) {
  detail::layer_check<Family, C, Make> check(group, q, family, make, seed, how);
  check.run(policy, order);
  check.look();
}

/// Likewise, under standard EP and LLEP, each with both row orders.
template <expert_family Family, communicator C, class Make>
void check_layer(C& group, typename C::device_type::queue& q, Family const& family, Make make,
                 std::uint64_t seed, layer_options<typename Family::element> const& how = {}) {
  detail::layer_check<Family, C, Make> check(group, q, family, make, seed, how);
  least_loaded const moves_most{1.0, 1};
  check.run(standard_ep{}, global_order{});
  check.run(standard_ep{}, local_first{});
  check.run(moves_most, global_order{});
  check.run(moves_most, local_first{});
  check.look();
}

}  // namespace llep::testing
