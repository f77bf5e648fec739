// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/row_order.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>
#include <vector>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::plan;
using llep::problem;
using archetype = derivable<row_order_archetype>;
using pieces = std::vector<llep::piece>;

// clang-format off
// Each near miss takes exactly one promise away from the archetype.
struct untagged : archetype { using row_order_concept = void; };
struct no_memory : archetype { using memory = void; };
struct undefaulted_memory : archetype { using memory = undefaulted<archetype::memory>; };
struct pinned_memory : archetype { using memory = pinned<archetype::memory>; };
struct unassignable_memory : archetype { using memory = unassignable<archetype::memory>; };
struct no_arrange : archetype {
  void arrange(problem const&, plan const&, memory&, pieces&) const = delete;
};
struct answering_arrange : archetype {
  bool arrange(problem const&, plan const&, memory&, pieces&) const;
};
struct mutable_arrange : archetype { void arrange(problem const&, plan const&, memory&, pieces&); };
struct writes_problem : archetype { void arrange(problem&, plan const&, memory&, pieces&) const; };
struct writes_plan : archetype { void arrange(problem const&, plan&, memory&, pieces&) const; };
struct no_digest : archetype { std::uint64_t digest() const = delete; };
struct signed_digest : archetype { std::int64_t digest() const; };
struct mutable_digest : archetype { std::uint64_t digest(); };
// clang-format on

TEST_CASE("row_order: the archetype is enough", "[concepts][row_order]") {
  STATIC_REQUIRE(llep::row_order<row_order_archetype>);
  STATIC_REQUIRE(llep::row_order<archetype>);
}

TEST_CASE("row_order: every single promise is needed", "[concepts][row_order]") {
  STATIC_REQUIRE_FALSE(llep::row_order<int>);
  STATIC_REQUIRE_FALSE(llep::row_order<untagged>);
  STATIC_REQUIRE_FALSE(llep::row_order<uncopyable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::row_order<undefaulted<archetype>>);
  STATIC_REQUIRE_FALSE(llep::row_order<incomparable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::row_order<no_memory>);
  STATIC_REQUIRE_FALSE(llep::row_order<undefaulted_memory>);
  STATIC_REQUIRE_FALSE(llep::row_order<pinned_memory>);
  STATIC_REQUIRE_FALSE(llep::row_order<unassignable_memory>);
  STATIC_REQUIRE_FALSE(llep::row_order<no_arrange>);
  STATIC_REQUIRE_FALSE(llep::row_order<answering_arrange>);
  STATIC_REQUIRE_FALSE(llep::row_order<mutable_arrange>);
  STATIC_REQUIRE_FALSE(llep::row_order<writes_problem>);
  STATIC_REQUIRE_FALSE(llep::row_order<writes_plan>);
  STATIC_REQUIRE_FALSE(llep::row_order<no_digest>);
  STATIC_REQUIRE_FALSE(llep::row_order<signed_digest>);
  STATIC_REQUIRE_FALSE(llep::row_order<mutable_digest>);
}

TEST_CASE("row_order: global_order and local_first are models", "[concepts][row_order]") {
  STATIC_REQUIRE(llep::row_order<llep::global_order>);
  STATIC_REQUIRE(llep::row_order<llep::local_first>);
}

}  // namespace
