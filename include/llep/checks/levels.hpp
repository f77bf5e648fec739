// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <llep/concepts/checks.hpp>

namespace llep {

/// One level of checking; what the four switches mean is stated at the concept `checks`.
template <bool ValidatesPlan, bool ComparesPlans, bool ValidatesPieces, bool GathersDigest>
struct check_level {
  using checks_concept = checks_tag;
  static constexpr bool validates_plan = ValidatesPlan;
  static constexpr bool compares_plans = ComparesPlans;
  static constexpr bool validates_pieces = ValidatesPieces;
  static constexpr bool gathers_digest = GathersDigest;

  friend constexpr bool operator==(check_level const&, check_level const&) = default;
};

/// Nothing but *agree*: for planners and row orders that are trusted. A wrong plan is undefined.
using checks_off = check_level<false, false, false, false>;
/// The default: plans are validated, and compared one step late.
using checks_cheap = check_level<true, true, false, false>;
/// Also validates pieces: for whoever writes a row order.
using checks_thorough = check_level<true, true, true, false>;
/// Also compares plans before anything is posted: for whoever writes a planner.
using checks_collective = check_level<true, true, true, true>;

static_assert(checks<checks_off> && checks<checks_cheap> && checks<checks_thorough> &&
              checks<checks_collective>);

}  // namespace llep
