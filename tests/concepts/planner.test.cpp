// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/planner.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::problem;
using archetype = derivable<planner_archetype>;

// clang-format off
// Each near miss takes exactly one promise away from the archetype. One that declares a `digest`
// hides both of the archetype's, and so brings the other one back.
struct untagged : archetype { using planner_concept = void; };
struct no_memory : archetype { using memory = void; };
struct undefaulted_memory : archetype { using memory = undefaulted<archetype::memory>; };
struct pinned_memory : archetype { using memory = pinned<archetype::memory>; };
struct unassignable_memory : archetype { using memory = unassignable<archetype::memory>; };
struct no_plan : archetype { void plan(problem const&, memory&, llep::plan&) const = delete; };
struct answering_plan : archetype { bool plan(problem const&, memory&, llep::plan&) const; };
struct mutable_plan : archetype { void plan(problem const&, memory&, llep::plan&); };
struct writes_problem : archetype { void plan(problem&, memory&, llep::plan&) const; };
struct no_digest : archetype { using archetype::digest; std::uint64_t digest() const = delete; };
struct signed_digest : archetype { using archetype::digest; std::int64_t digest() const; };
struct mutable_digest : archetype {
  std::uint64_t digest();
  std::uint64_t digest(memory const&) const;
};
struct no_history : archetype {
  using archetype::digest;
  std::uint64_t digest(memory const&) const = delete;
};
struct signed_history : archetype {
  using archetype::digest;
  std::int64_t digest(memory const&) const;
};
struct mutable_history : archetype {
  std::uint64_t digest() const;
  std::uint64_t digest(memory const&);
};
struct writes_history : archetype {
  std::uint64_t digest() const;
  std::uint64_t digest(memory&) const;
};
template <auto Value>
struct needs_counts_is : archetype { static constexpr auto needs_counts = Value; };
template <class T>
struct needs_counts_of : archetype { static inline T needs_counts = at_run_time<T>(); };
// clang-format on

struct counting : llep::standard_ep {
  static constexpr bool needs_counts = true;
};

TEST_CASE("planner: the archetype is enough", "[concepts][planner]") {
  STATIC_REQUIRE(llep::planner<planner_archetype>);
  STATIC_REQUIRE(llep::planner<archetype>);
}

TEST_CASE("planner: every single promise is needed", "[concepts][planner]") {
  STATIC_REQUIRE_FALSE(llep::planner<int>);
  STATIC_REQUIRE_FALSE(llep::planner<untagged>);
  STATIC_REQUIRE_FALSE(llep::planner<uncopyable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::planner<undefaulted<archetype>>);
  STATIC_REQUIRE_FALSE(llep::planner<incomparable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::planner<no_memory>);
  STATIC_REQUIRE_FALSE(llep::planner<undefaulted_memory>);
  STATIC_REQUIRE_FALSE(llep::planner<pinned_memory>);
  STATIC_REQUIRE_FALSE(llep::planner<unassignable_memory>);
  STATIC_REQUIRE_FALSE(llep::planner<no_plan>);
  STATIC_REQUIRE_FALSE(llep::planner<answering_plan>);
  STATIC_REQUIRE_FALSE(llep::planner<mutable_plan>);
  STATIC_REQUIRE_FALSE(llep::planner<writes_problem>);
  STATIC_REQUIRE_FALSE(llep::planner<no_digest>);
  STATIC_REQUIRE_FALSE(llep::planner<signed_digest>);
  STATIC_REQUIRE_FALSE(llep::planner<mutable_digest>);
  STATIC_REQUIRE_FALSE(llep::planner<no_history>);
  STATIC_REQUIRE_FALSE(llep::planner<signed_history>);
  STATIC_REQUIRE_FALSE(llep::planner<mutable_history>);
  STATIC_REQUIRE_FALSE(llep::planner<writes_history>);
  STATIC_REQUIRE_FALSE(llep::planner<needs_counts_is<1>>);
  STATIC_REQUIRE_FALSE(llep::planner<needs_counts_of<bool const>>);
}

TEST_CASE("planner: the library's planners are models", "[concepts][planner]") {
  STATIC_REQUIRE(llep::planner<llep::standard_ep>);
  STATIC_REQUIRE(llep::planner<llep::least_loaded>);
}

TEST_CASE("planner: fallback of planners is one, and nests", "[concepts][planner]") {
  using once = llep::fallback<llep::least_loaded>;
  STATIC_REQUIRE(llep::planner<once>);
  STATIC_REQUIRE(llep::planner<llep::fallback<once, llep::per_expert, once>>);
  using weakest = llep::fallback<planner_archetype, imbalance_test_archetype, planner_archetype>;
  STATIC_REQUIRE(llep::planner<weakest>);
}

TEST_CASE("fallback: needs the counts where one of its planners does", "[concepts][planner]") {
  using llep::per_rank;
  using llep::standard_ep;
  STATIC_REQUIRE(llep::fallback<counting, per_rank, standard_ep>::needs_counts);
  STATIC_REQUIRE(llep::fallback<standard_ep, per_rank, counting>::needs_counts);
  STATIC_REQUIRE_FALSE(llep::fallback<standard_ep, per_rank, standard_ep>::needs_counts);
}

}  // namespace
