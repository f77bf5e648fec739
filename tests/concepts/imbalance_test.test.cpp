// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/imbalance_test.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/imbalance/tests.hpp>
#include <span>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::row_count;
using archetype = derivable<imbalance_test_archetype>;
using loads = std::span<row_count const>;

// clang-format off
// Each near miss takes exactly one promise away from the archetype.
struct untagged : archetype { using imbalance_test_concept = void; };
struct no_answer : archetype { bool operator()(loads, loads) const = delete; };
struct number_for_answer : archetype { int operator()(loads, loads) const; };
struct mutable_answer : archetype { bool operator()(loads, loads); };
struct writes_rank_loads : archetype { bool operator()(std::span<row_count>, loads) const; };
struct writes_expert_loads : archetype { bool operator()(loads, std::span<row_count>) const; };
struct no_digest : archetype { std::uint64_t digest() const = delete; };
struct signed_digest : archetype { std::int64_t digest() const; };
struct mutable_digest : archetype { std::uint64_t digest(); };
// clang-format on

TEST_CASE("imbalance_test: the archetype is enough", "[concepts][imbalance]") {
  STATIC_REQUIRE(llep::imbalance_test<imbalance_test_archetype>);
  STATIC_REQUIRE(llep::imbalance_test<archetype>);
}

TEST_CASE("imbalance_test: every single promise is needed", "[concepts][imbalance]") {
  STATIC_REQUIRE_FALSE(llep::imbalance_test<bool (*)(loads, loads)>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<untagged>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<uncopyable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<undefaulted<archetype>>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<incomparable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<no_answer>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<number_for_answer>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<mutable_answer>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<writes_rank_loads>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<writes_expert_loads>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<no_digest>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<signed_digest>);
  STATIC_REQUIRE_FALSE(llep::imbalance_test<mutable_digest>);
}

TEST_CASE("imbalance_test: per_rank and per_expert are models", "[concepts][imbalance]") {
  STATIC_REQUIRE(llep::imbalance_test<llep::per_rank>);
  STATIC_REQUIRE(llep::imbalance_test<llep::per_expert>);
}

}  // namespace
