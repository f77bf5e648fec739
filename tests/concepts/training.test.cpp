// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/training.hpp>  // first: proves it needs no help

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <llep/device/host.hpp>
#include <llep/kernel/loops.hpp>
#include <span>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::byte_count;
using llep::expert_id;
using llep::matrix_ref;
using llep::row_count;
using i32 = std::int32_t;
using i64 = std::int64_t;

// Each near miss takes exactly one promise away from the archetype.

// ---- the device ---------------------------------------------------------------------------------

using trainer = training_device_archetype<device_archetype<>, float, double, grad_archetype>;
using grad = grad_archetype;
using rows = matrix_ref<float>;
using rows_in = matrix_ref<float const>;
using gates = matrix_ref<double>;
using gates_in = matrix_ref<double const>;

template <class D>
constexpr bool trains = llep::trains_rows<D, float, double, grad>;

// clang-format off
struct untagged_device : trainer { using device_concept = void; };
struct no_zero : trainer { void zero(queue&, void*, byte_count) = delete; };
struct answering_zero : trainer { bool zero(queue&, void*, byte_count); };
struct typed_zero : trainer { void zero(queue&, std::byte*, byte_count); };
struct no_accumulate : trainer { void accumulate(queue&, grad const*, i64, grad*) = delete; };
struct answering_accumulate : trainer { bool accumulate(queue&, grad const*, i64, grad*); };
struct accumulate_writes_source : trainer { void accumulate(queue&, grad*, i64, grad*); };
struct no_pack_scaled : trainer {
  void pack_scaled(queue&, rows_in, gates_in, i32 const*, float*) = delete;
};
struct answering_pack_scaled : trainer {
  bool pack_scaled(queue&, rows_in, gates_in, i32 const*, float*);
};
struct pack_scaled_writes_rows : trainer {
  void pack_scaled(queue&, rows, gates_in, i32 const*, float*);
};
struct pack_scaled_writes_gates : trainer {
  void pack_scaled(queue&, rows_in, gates, i32 const*, float*);
};
struct pack_scaled_writes_slots : trainer {
  void pack_scaled(queue&, rows_in, gates_in, i32*, float*);
};
struct no_sum : trainer { void sum(queue&, float const*, i32 const*, i64, rows) = delete; };
struct answering_sum : trainer { bool sum(queue&, float const*, i32 const*, i64, rows); };
struct sum_writes_rows : trainer { void sum(queue&, float*, i32 const*, i64, rows); };
struct sum_writes_slots : trainer { void sum(queue&, float const*, i32*, i64, rows); };
struct no_gate_gradient : trainer {
  void gate_gradient(queue&, float const*, i32 const*, rows_in, gates) = delete;
};
struct answering_gate_gradient : trainer {
  bool gate_gradient(queue&, float const*, i32 const*, rows_in, gates);
};
struct gate_gradient_writes_rows : trainer {
  void gate_gradient(queue&, float*, i32 const*, rows_in, gates);
};
struct gate_gradient_writes_slots : trainer {
  void gate_gradient(queue&, float const*, i32*, rows_in, gates);
};
struct gate_gradient_writes_upstream : trainer {
  void gate_gradient(queue&, float const*, i32 const*, rows, gates);
};
// clang-format on

TEST_CASE("trains_rows: the archetype is enough, for its own element types",
          "[concepts][training]") {
  STATIC_REQUIRE(trains<trainer>);
  STATIC_REQUIRE_FALSE(trains<device_archetype<>>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<trainer, double, double, grad>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<trainer, float, float, grad>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<trainer, float, double, float>);
}

TEST_CASE("trains_rows: every single promise is needed", "[concepts][training]") {
  STATIC_REQUIRE_FALSE(trains<untagged_device>);
  STATIC_REQUIRE_FALSE(trains<no_zero>);
  STATIC_REQUIRE_FALSE(trains<answering_zero>);
  STATIC_REQUIRE_FALSE(trains<typed_zero>);
  STATIC_REQUIRE_FALSE(trains<no_accumulate>);
  STATIC_REQUIRE_FALSE(trains<answering_accumulate>);
  STATIC_REQUIRE_FALSE(trains<accumulate_writes_source>);
  STATIC_REQUIRE_FALSE(trains<no_pack_scaled>);
  STATIC_REQUIRE_FALSE(trains<answering_pack_scaled>);
  STATIC_REQUIRE_FALSE(trains<pack_scaled_writes_rows>);
  STATIC_REQUIRE_FALSE(trains<pack_scaled_writes_gates>);
  STATIC_REQUIRE_FALSE(trains<pack_scaled_writes_slots>);
  STATIC_REQUIRE_FALSE(trains<no_sum>);
  STATIC_REQUIRE_FALSE(trains<answering_sum>);
  STATIC_REQUIRE_FALSE(trains<sum_writes_rows>);
  STATIC_REQUIRE_FALSE(trains<sum_writes_slots>);
  STATIC_REQUIRE_FALSE(trains<no_gate_gradient>);
  STATIC_REQUIRE_FALSE(trains<answering_gate_gradient>);
  STATIC_REQUIRE_FALSE(trains<gate_gradient_writes_rows>);
  STATIC_REQUIRE_FALSE(trains<gate_gradient_writes_slots>);
  STATIC_REQUIRE_FALSE(trains<gate_gradient_writes_upstream>);
}

TEST_CASE("trains_rows: host_device is a model for floats and doubles, and for nothing else",
          "[concepts][training]") {
  STATIC_REQUIRE(llep::trains_rows<llep::host_device, float, float, float>);
  STATIC_REQUIRE(llep::trains_rows<llep::host_device, float, double, double>);
  STATIC_REQUIRE(llep::trains_rows<llep::host_device, double, float, float>);
  STATIC_REQUIRE(llep::trains_rows<llep::host_device, double, double, double>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<llep::host_device, int, float, float>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<llep::host_device, float, int, float>);
  STATIC_REQUIRE_FALSE(llep::trains_rows<llep::host_device, float, float, int>);
}

// ---- the kernel ---------------------------------------------------------------------------------

using archetype = trainable_kernel_archetype<>;
using queue = archetype::queue;
using forward_groups = std::span<llep::row_group<archetype::blocks> const>;
using back_groups = std::span<llep::gradient_group<archetype::blocks> const>;
using pointers = std::array<void*, archetype::blocks>;

struct copied_grad {
  copied_grad(copied_grad const&);
};
template <class Grad>
using trainer_of = training_device_archetype<device_archetype<>, float, float, Grad>;
using double_gates = training_device_archetype<device_archetype<>, float, double, grad>;

// clang-format off
struct untagged : archetype { using expert_kernel_concept = void; };
struct no_grad_type : archetype { using grad_type = void; };
struct grads_that_nobody_adds : archetype { using grad_type = float; };
struct grads_that_are_no_bytes
    : trainable_kernel_archetype<trainer_of<copied_grad>, float, 2, copied_grad> {};
struct over_a_device_that_only_goes_forward : trainable_kernel_archetype<device_archetype<>> {};
struct without_gates_of_float : trainable_kernel_archetype<double_gates> {};

struct no_grad_elements : archetype { i64 grad_elements(std::size_t) const = delete; };
struct unsigned_grad_elements : archetype { std::size_t grad_elements(std::size_t) const; };
struct mutable_grad_elements : archetype { i64 grad_elements(std::size_t); };
struct no_native_grad : archetype { pointers native_grad(expert_id) const = delete; };
struct constant_native_grad : archetype {
  std::array<void const*, blocks> native_grad(expert_id) const;
};
struct mutable_native_grad : archetype { pointers native_grad(expert_id); };
struct no_saved_row_bytes : archetype { byte_count saved_row_bytes() const = delete; };
struct unsigned_saved_row_bytes : archetype { std::size_t saved_row_bytes() const; };
struct mutable_saved_row_bytes : archetype { byte_count saved_row_bytes(); };
struct no_backward_work_bytes : archetype {
  byte_count backward_work_bytes(std::span<row_count const>) const = delete;
};
struct unsigned_backward_work_bytes : archetype {
  std::size_t backward_work_bytes(std::span<row_count const>) const;
};
struct mutable_backward_work_bytes : archetype {
  byte_count backward_work_bytes(std::span<row_count const>);
};
struct backward_work_bytes_writes_rows : archetype {
  byte_count backward_work_bytes(std::span<row_count>) const;
};

struct no_saving_forward : archetype {
  using archetype::forward;
  void forward(queue&, forward_groups, float const*, float*, void*, void*) = delete;
};
struct answering_saving_forward : archetype {
  using archetype::forward;
  bool forward(queue&, forward_groups, float const*, float*, void*, void*);
};
struct only_saving_forward : archetype {
  void forward(queue&, forward_groups, float const*, float*, void*, void*);
};
// The plain forward is written again: a using declaration would bring the good one back.
struct saving_forward_writes_input : archetype {
  void forward(queue&, forward_groups, float const*, float*, void*);
  void forward(queue&, forward_groups, float*, float*, void*, void*);
};
struct saving_forward_writes_groups : archetype {
  void forward(queue&, forward_groups, float const*, float*, void*);
  void forward(queue&, std::span<llep::row_group<blocks>>, float const*, float*, void*, void*);
};
struct no_backward : archetype {
  void backward(queue&, back_groups, float const*, void const*, float const*, float*,
                void*) = delete;
};
struct answering_backward : archetype {
  bool backward(queue&, back_groups, float const*, void const*, float const*, float*, void*);
};
struct backward_writes_groups : archetype {
  void backward(queue&, std::span<llep::gradient_group<blocks>>, float const*, void const*,
                float const*, float*, void*);
};
struct backward_writes_input : archetype {
  void backward(queue&, back_groups, float*, void const*, float const*, float*, void*);
};
struct backward_writes_saved : archetype {
  void backward(queue&, back_groups, float const*, void*, float const*, float*, void*);
};
struct backward_writes_upstream : archetype {
  void backward(queue&, back_groups, float const*, void const*, float*, float*, void*);
};
struct backward_of_row_groups : archetype {
  void backward(queue&, forward_groups, float const*, void const*, float const*, float*, void*);
};
// clang-format on

TEST_CASE("trainable_kernel: the archetype is enough, and what only goes forward is not",
          "[concepts][training]") {
  STATIC_REQUIRE(llep::trainable_kernel<archetype>);
  STATIC_REQUIRE(llep::trainable_kernel<trainable_kernel_archetype<
                     training_device_archetype<device_archetype<true>, double>, double, 1>>);
  STATIC_REQUIRE(
      llep::trainable_kernel<trainable_kernel_archetype<
          training_device_archetype<own_rows_device_archetype<>, row_archetype>, row_archetype>>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<int>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<expert_kernel_archetype<>>);
  STATIC_REQUIRE_FALSE(
      llep::trainable_kernel<expert_kernel_archetype<training_device_archetype<>>>);
}

TEST_CASE("trainable_kernel: an expert_kernel, its device and its gradients are needed",
          "[concepts][training]") {
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<untagged>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_grad_type>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<grads_that_nobody_adds>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<grads_that_are_no_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<over_a_device_that_only_goes_forward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<without_gates_of_float>);
}

TEST_CASE("trainable_kernel: every single promise about sizes and places is needed",
          "[concepts][training]") {
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_grad_elements>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<unsigned_grad_elements>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<mutable_grad_elements>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_native_grad>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<constant_native_grad>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<mutable_native_grad>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_saved_row_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<unsigned_saved_row_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<mutable_saved_row_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_backward_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<unsigned_backward_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<mutable_backward_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_work_bytes_writes_rows>);
}

TEST_CASE("trainable_kernel: every single promise of forward and backward is needed",
          "[concepts][training]") {
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_saving_forward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<answering_saving_forward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<only_saving_forward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<saving_forward_writes_input>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<saving_forward_writes_groups>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<no_backward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<answering_backward>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_writes_groups>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_writes_input>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_writes_saved>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_writes_upstream>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<backward_of_row_groups>);
}

TEST_CASE("trainable_kernel: loops over each family are models", "[concepts][training]") {
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::linear_expert<float>>>);
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::linear_expert<double>>>);
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::swiglu_expert<float>>>);
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::swiglu_expert<double>>>);
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::gptoss_expert<float>>>);
  STATIC_REQUIRE(llep::trainable_kernel<llep::loops_kernel<llep::gptoss_expert<double>>>);
}

/// A family that can't go back makes a kernel that can't.
struct forward_only {
  using element = float;
  static constexpr std::size_t blocks = 1;
  i64 hidden;
  [[nodiscard]] std::array<i64, 1> block_elements() const;
  [[nodiscard]] i64 work_elements() const;
  [[nodiscard]] std::uint64_t digest() const;
  void apply(float const* x, std::array<float const*, 1> w, float* y, float* work) const;
};

TEST_CASE("trainable_kernel: loops over a family that only goes forward are none",
          "[concepts][training]") {
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<forward_only>>);
  STATIC_REQUIRE_FALSE(llep::trainable_kernel<llep::loops_kernel<forward_only>>);
}

}  // namespace
