// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <llep/concepts/imbalance_test.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/error.hpp>
#include <llep/plan.hpp>
#include <llep/row_order/validate.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/sample_problem.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/validate.hpp>

namespace llep::testing {

namespace detail {

// A copy is equal, and has the same digest.
template <class Policy>
void check_value(witness const& sees, Policy const& policy) {
  Policy const copy = policy;
  sees.holds(copy == policy, "a copy equals the policy");
  sees.equals(copy.digest(), policy.digest(), "equal policies have equal digests");
}

// What `validate` throws is a promise that isn't kept.
template <class Validate>
void check_valid(witness const& sees, Validate validate) {
  try {
    validate();
  } catch (error const& e) {
    sees.holds(false, std::string("keeps the invariants: ") + e.what());
  }
}

inline bool same_plan(plan const& a, plan const& b) {
  return a.spans == b.spans && a.moves == b.moves;
}

// So many problems: those of one group, whose ranks and owners stay, share a memory.
template <class Memory, class Look>
void each_problem(seeded& random, int problems, Look look) {
  while (problems > 0) {
    sample_problem step = any_problem(random);
    Memory kept{};
    for (auto steps = random.between(1, 8); steps > 0 && problems > 0; --steps, --problems) {
      look(step, kept);
      Memory moved(std::move(kept));
      kept = std::move(moved);
      draw_loads(random, step);
    }
  }
}

}  // namespace detail

/// Holds a planner against the contract of `llep::planner`, with random problems of one seed, one
/// after the other: its plans are valid, and hang on the problem and the declared history alone. A
/// memory sees steps of one group.
/// @throws broken_promise at the first promise that isn't kept; what the planner throws
template <planner P>
void check_planner(P const& policy, std::uint64_t seed, int problems = 50) {
  struct memories {
    typename P::memory kept{}, likewise{};
  };
  seeded random(seed);
  witness const sees("planner", seed);
  detail::check_value(sees, policy);
  plan out;
  detail::each_problem<memories>(random, problems, [&](sample_problem const& step, memories& m) {
    problem in = step.view();
    if (!P::needs_counts && random.chance(30)) in.counts = {};
    auto const history = policy.digest(m.kept);  // that the plan may hang on
    policy.plan(in, m.kept, out);                // `out` holds the plan before
    detail::check_valid(sees, [&] { validate(in, out); });

    sample_problem const other = any_problem(random);
    plan from_other = random_plan(random, other.view());
    policy.plan(in, m.likewise, from_other);
    sees.holds(detail::same_plan(from_other, out), "a plan doesn't hang on what `out` held");
    sees.equals(policy.digest(m.likewise), policy.digest(m.kept),
                "equal histories have equal digests");
    if (history != 0) return;
    typename P::memory blank{};
    plan again;
    policy.plan(in, blank, again);
    sees.holds(detail::same_plan(again, out),
               "a plan doesn't hang on a memory whose digest says that there is no history");
  });
}

/// Holds a row order against the contract of `llep::row_order`, with random problems and plans.
/// @throws broken_promise at the first promise that isn't kept; what the row order throws
template <row_order R>
void check_row_order(R const& order, std::uint64_t seed, int problems = 50) {
  using memory = typename R::memory;
  seeded random(seed);
  witness const sees("row_order", seed);
  detail::check_value(sees, order);
  std::vector<piece> out;
  detail::each_problem<memory>(random, problems, [&](sample_problem const& step, memory& kept) {
    problem const in = step.view();
    plan const p = random_plan(random, in);
    order.arrange(in, p, kept, out);  // `out` holds the pieces before
    detail::check_valid(sees, [&] { validate(in, p, out); });
    memory blank{};
    std::vector<piece> again(3, piece{7, 7, 7, 7, 7});
    order.arrange(in, p, blank, again);
    sees.holds(again == out, "pieces don't hang on the memory or on what `out` held");
  });
}

/// Holds an imbalance test against the contract of `llep::imbalance_test`, with random loads.
/// @throws broken_promise at the first promise that isn't kept
template <imbalance_test Test>
void check_imbalance_test(Test const& uneven, std::uint64_t seed, int problems = 50) {
  seeded random(seed);
  witness const sees("imbalance_test", seed);
  detail::check_value(sees, uneven);
  for (; problems > 0; --problems) {
    sample_problem const in = any_problem(random);
    std::vector<row_count> rank_loads(static_cast<std::size_t>(in.ranks), 0);
    for (std::size_t e = 0; e < in.load.size(); ++e)
      rank_loads[static_cast<std::size_t>(in.owner[e])] += in.load[e];
    try {
      bool const first = uneven(rank_loads, in.load);
      Test const copy = uneven;
      sees.equals(copy(rank_loads, in.load), first, "equal loads have equal answers");
    } catch (error const&) {
      sees.holds(false, "no such loads are refused");
    }
  }
}

}  // namespace llep::testing
