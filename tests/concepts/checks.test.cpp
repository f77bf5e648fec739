// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/checks.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <llep/checks/levels.hpp>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using archetype = derivable<checks_archetype>;

// clang-format off
// Each near miss takes exactly one promise away from the archetype.
struct untagged : archetype { using checks_concept = void; };
template <auto Value>
struct validates_plan_is : archetype { static constexpr auto validates_plan = Value; };
template <class T>
struct validates_plan_of : archetype { static inline T validates_plan = at_run_time<T>(); };
template <auto Value>
struct compares_plans_is : archetype { static constexpr auto compares_plans = Value; };
template <class T>
struct compares_plans_of : archetype { static inline T compares_plans = at_run_time<T>(); };
template <auto Value>
struct validates_pieces_is : archetype { static constexpr auto validates_pieces = Value; };
template <class T>
struct validates_pieces_of : archetype { static inline T validates_pieces = at_run_time<T>(); };
template <auto Value>
struct gathers_digest_is : archetype { static constexpr auto gathers_digest = Value; };
template <class T>
struct gathers_digest_of : archetype { static inline T gathers_digest = at_run_time<T>(); };
// clang-format on

TEST_CASE("checks: the archetype is enough", "[concepts][checks]") {
  STATIC_REQUIRE(llep::checks<checks_archetype>);
  STATIC_REQUIRE(llep::checks<archetype>);
}

TEST_CASE("checks: every single promise is needed", "[concepts][checks]") {
  STATIC_REQUIRE_FALSE(llep::checks<bool>);
  STATIC_REQUIRE_FALSE(llep::checks<untagged>);
  STATIC_REQUIRE_FALSE(llep::checks<uncopyable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::checks<undefaulted<archetype>>);
  STATIC_REQUIRE_FALSE(llep::checks<incomparable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::checks<validates_plan_is<1>>);
  STATIC_REQUIRE_FALSE(llep::checks<validates_plan_of<bool const>>);
  STATIC_REQUIRE_FALSE(llep::checks<compares_plans_is<1>>);
  STATIC_REQUIRE_FALSE(llep::checks<compares_plans_of<bool const>>);
  STATIC_REQUIRE_FALSE(llep::checks<validates_pieces_is<1>>);
  STATIC_REQUIRE_FALSE(llep::checks<validates_pieces_of<bool const>>);
  STATIC_REQUIRE_FALSE(llep::checks<gathers_digest_is<1>>);
  STATIC_REQUIRE_FALSE(llep::checks<gathers_digest_of<bool const>>);
}

TEST_CASE("checks: the four levels are models", "[concepts][checks]") {
  STATIC_REQUIRE(llep::checks<llep::checks_off>);
  STATIC_REQUIRE(llep::checks<llep::checks_cheap>);
  STATIC_REQUIRE(llep::checks<llep::checks_thorough>);
  STATIC_REQUIRE(llep::checks<llep::checks_collective>);
}

}  // namespace
