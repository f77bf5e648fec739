// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/expert_kernel.hpp>  // first: proves it needs no help

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstddef>
#include <cstdint>
#include <llep/kernel/loops.hpp>
#include <span>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::byte_count;
using llep::expert_id;
using llep::row_count;
using archetype = expert_kernel_archetype<>;
using queue = archetype::device_type::queue;
using groups = std::span<llep::row_group<archetype::blocks> const>;
using pointers = std::array<void const*, archetype::blocks>;

// clang-format off
// Each near miss takes exactly one promise away from the archetype.
struct untagged : archetype { using expert_kernel_concept = void; };
struct untagged_device : device_archetype<> { using device_concept = void; };
struct over_no_device : archetype { using device_type = untagged_device; };
template <auto Value>
struct blocks_is : archetype { static constexpr auto blocks = Value; };
template <class T>
struct blocks_of : archetype { static inline T blocks = at_run_time<T>(); };
struct blockless : expert_kernel_archetype<device_archetype<>, float, 0> {};
struct rows_that_nobody_combines : archetype {
  using row_type = row_archetype;
  void forward(queue&, groups, row_type const*, row_type*, void*);
};
struct copied_row : row_archetype { copied_row(copied_row const&); };
struct copied_rows_device : device_archetype<> {
  using device_archetype<>::combine;
  void combine(queue&, copied_row const*, std::int32_t const*, llep::matrix_ref<float const>,
               llep::matrix_ref<copied_row>);
};
struct rows_that_are_no_bytes : expert_kernel_archetype<copied_rows_device, copied_row> {};

// ---- sizes, weights and what becomes of rows ----------------------------------------------------

struct no_hidden : archetype { std::int64_t hidden() const noexcept = delete; };
struct narrow_hidden : archetype { std::int32_t hidden() const noexcept; };
struct mutable_hidden : archetype { std::int64_t hidden() noexcept; };
struct throwing_hidden : archetype { std::int64_t hidden() const; };
struct no_digest : archetype { std::uint64_t digest() const = delete; };
struct signed_digest : archetype { std::int64_t digest() const; };
struct mutable_digest : archetype { std::uint64_t digest(); };
struct no_block_bytes : archetype { byte_count block_bytes(std::size_t) const = delete; };
struct unsigned_block_bytes : archetype { std::size_t block_bytes(std::size_t) const; };
struct mutable_block_bytes : archetype { byte_count block_bytes(std::size_t); };
struct no_native : archetype { pointers native(expert_id) const = delete; };
struct writable_native : archetype { std::array<void*, blocks> native(expert_id) const; };
struct mutable_native : archetype { pointers native(expert_id); };
struct no_work_bytes : archetype {
  byte_count work_bytes(std::span<row_count const>) const = delete;
};
struct unsigned_work_bytes : archetype {
  std::size_t work_bytes(std::span<row_count const>) const;
};
struct mutable_work_bytes : archetype { byte_count work_bytes(std::span<row_count const>); };
struct work_bytes_writes_rows : archetype { byte_count work_bytes(std::span<row_count>) const; };
struct no_forward : archetype {
  void forward(queue&, groups, float const*, float*, void*) = delete;
};
struct answering_forward : archetype { bool forward(queue&, groups, float const*, float*, void*); };
struct forward_writes_input : archetype { void forward(queue&, groups, float*, float*, void*); };
struct forward_writes_groups : archetype {
  void forward(queue&, std::span<llep::row_group<blocks>>, float const*, float*, void*);
};
// clang-format on

TEST_CASE("expert_kernel: the archetype is enough, for its device's rows",
          "[concepts][expert_kernel]") {
  STATIC_REQUIRE(llep::expert_kernel<archetype>);
  STATIC_REQUIRE(llep::expert_kernel<expert_kernel_archetype<device_archetype<>, double, 1>>);
  STATIC_REQUIRE(
      llep::expert_kernel<expert_kernel_archetype<own_rows_device_archetype<>, row_archetype>>);
}

TEST_CASE("expert_kernel: the tag, moving, its device, rows and blocks are needed",
          "[concepts][expert_kernel]") {
  STATIC_REQUIRE_FALSE(llep::expert_kernel<int>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<untagged>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<pinned<archetype>>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<unassignable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<over_no_device>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<blocks_is<2>>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<blocks_of<std::size_t const>>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<blockless>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<rows_that_nobody_combines>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<rows_that_are_no_bytes>);
}

TEST_CASE("expert_kernel: every single promise of its functions is needed",
          "[concepts][expert_kernel]") {
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_hidden>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<narrow_hidden>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<mutable_hidden>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<throwing_hidden>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_digest>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<signed_digest>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<mutable_digest>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_block_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<unsigned_block_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<mutable_block_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_native>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<writable_native>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<mutable_native>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<unsigned_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<mutable_work_bytes>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<work_bytes_writes_rows>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<no_forward>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<answering_forward>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<forward_writes_input>);
  STATIC_REQUIRE_FALSE(llep::expert_kernel<forward_writes_groups>);
}

TEST_CASE("expert_kernel: loops over each family are models", "[concepts][expert_kernel]") {
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::linear_expert<float>>>);
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::linear_expert<double>>>);
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::swiglu_expert<float>>>);
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::swiglu_expert<double>>>);
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::gptoss_expert<float>>>);
  STATIC_REQUIRE(llep::expert_kernel<llep::loops_kernel<llep::gptoss_expert<double>>>);
}

}  // namespace
