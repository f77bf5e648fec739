// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/imbalance/tests.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/testing/planner.hpp>

#include "support/broken.hpp"

// Planners, row orders and imbalance tests that break one promise each: the suite must find and
// name it.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::StartsWith;

/// Standard EP with room for faults.
struct passing_on {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {
    std::int64_t calls = 0;
  };
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const&) const { return 0; }
  friend bool operator==(passing_on const&, passing_on const&) = default;

  static void give_to(problem const& in, plan& out, std::int64_t off) {
    out.start(in);
    for (expert_id e = 0; e < in.experts(); ++e)
      if (in.load[static_cast<std::size_t>(e)] > 0)
        out.give(in, e,
                 static_cast<rank_id>((in.owner[static_cast<std::size_t>(e)] + off) % in.ranks),
                 in.load[static_cast<std::size_t>(e)]);
  }
  void plan(problem const& in, memory&, llep::plan& out) const { give_to(in, out, 0); }
};

struct goes_by_old_out : passing_on {
  void plan(problem const& in, memory&, llep::plan& out) const {
    give_to(in, out, std::ssize(out.spans));
  }
};
struct hides_history : passing_on {
  void plan(problem const& in, memory& m, llep::plan& out) const { give_to(in, out, m.calls++); }
};
struct honest_about_history : hides_history {
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const& m) const {
    return static_cast<std::uint64_t>(m.calls);
  }
};
struct alternates_and_says_so : hides_history {
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const& m) const {
    return static_cast<std::uint64_t>(m.calls % 2);
  }
  void plan(problem const& in, memory& m, llep::plan& out) const {
    give_to(in, out, m.calls++ % 2);
  }
};
/// Sizes its memory in the first step: a group's ranks and owners stay.
struct knows_one_group : passing_on {
  struct memory {
    std::vector<rank_id> owner;
    std::int32_t ranks = 0;
  };
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const&) const { return 0; }
  void plan(problem const& in, memory& m, llep::plan& out) const {
    std::vector<rank_id> const owner(in.owner.begin(), in.owner.end());
    if (m.ranks == 0) m = {owner, in.ranks};
    expects(m.ranks == in.ranks && m.owner == owner, "knows_one_group: another group");
    give_to(in, out, 0);
  }
};
struct loses_an_expert : passing_on {
  void plan(problem const& in, memory&, llep::plan& out) const {
    give_to(in, out, 0);
    if (out.spans.size() > 3) out.spans.pop_back();
  }
};
struct lends_without_a_move : passing_on {
  void plan(problem const& in, memory&, llep::plan& out) const {
    give_to(in, out, 1);
    out.moves.clear();
  }
};
struct digests_its_address : passing_on {
  [[nodiscard]] std::uint64_t digest() const { return reinterpret_cast<std::uintptr_t>(this); }
  [[nodiscard]] std::uint64_t digest(memory const&) const { return 0; }
};

template <class Policy>
std::string found_in() {
  static_assert(planner<Policy>);
  return broken_promise_of([](std::uint64_t seed) { check_planner(Policy{}, seed); });
}

TEST_CASE("conformance: a planner that breaks a promise is caught by name",
          "[conformance][planner]") {
  CHECK_THAT(found_in<passing_on>(), StartsWith("nothing"));
  CHECK_THAT(found_in<honest_about_history>(), StartsWith("nothing"));
  CHECK_THAT(found_in<alternates_and_says_so>(), StartsWith("nothing"));
  CHECK_THAT(found_in<knows_one_group>(), StartsWith("nothing"));
  CHECK_THAT(found_in<goes_by_old_out>(),
             StartsWith("planner: a plan doesn't hang on what `out` held"));
  CHECK_THAT(found_in<hides_history>(), StartsWith("planner: a plan doesn't hang on a memory"));
  CHECK_THAT(found_in<loses_an_expert>(),
             StartsWith("planner: keeps the invariants: plan: expert"));
  CHECK_THAT(found_in<lends_without_a_move>(), StartsWith("planner: keeps the invariants: plan: "));
  CHECK_THAT(found_in<digests_its_address>(),
             StartsWith("planner: equal policies have equal digests"));
}

struct last_source_first : global_order {
  void arrange(problem const& in, plan const& p, memory& m, std::vector<piece>& out) const {
    global_order::arrange(in, p, m, out);
    if (out.size() > 1 && out[0].src == out[1].src) std::swap(out[0], out[1]);
  }
};
struct keeps_old_pieces : global_order {
  void arrange(problem const& in, plan const& p, memory& m, std::vector<piece>& out) const {
    auto const before = out;
    global_order::arrange(in, p, m, out);
    if (out.empty()) out = before;
  }
};

template <class Order>
std::string found_in_order() {
  static_assert(row_order<Order>);
  return broken_promise_of([](std::uint64_t seed) { check_row_order(Order{}, seed); });
}

TEST_CASE("conformance: a row order that breaks a promise is caught by name",
          "[conformance][row_order]") {
  CHECK_THAT(found_in_order<global_order>(), StartsWith("nothing"));
  CHECK_THAT(found_in_order<last_source_first>(),
             StartsWith("row_order: keeps the invariants: pieces: expert"));
  CHECK_THAT(found_in_order<keeps_old_pieces>(), StartsWith("row_order: "));
}

struct refuses_totals : per_rank {
  [[nodiscard]] bool operator()(std::span<row_count const> rank_loads,
                                std::span<row_count const> expert_loads) const {
    for (row_count const load : rank_loads) expects(load < 1'000'000, "too many rows");
    return per_rank::operator()(rank_loads, expert_loads);
  }
};

TEST_CASE("conformance: an imbalance test that refuses loads is caught by name",
          "[conformance][imbalance]") {
  CHECK_THAT(
      broken_promise_of([](std::uint64_t seed) { check_imbalance_test(refuses_totals{}, seed); }),
      StartsWith("imbalance_test: no such loads are refused"));
}

}  // namespace
