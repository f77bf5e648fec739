// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <type_traits>

namespace llep {

struct checks_tag {};

/// How much a dispatcher checks besides *agree*, which is never off.
///
/// Opt-in    A model names `using checks_concept = llep::checks_tag;`. It is a regular value.
/// Syntax    validates_plan    constexpr: every plan is validated before it is used, O(E + plan)
///           compares_plans    constexpr: the plan's digest travels with the next *agree*, so that
///                             ranks which hold different plans learn of it one step later
///           validates_pieces  constexpr: what the row order made of the plan is validated,
///                             O(P x E + pieces)
///           gathers_digest    constexpr: the digests are gathered right after *plan*, before
///                             anything is posted; one more all-gather a step
/// Not asked for: agreement between ranks; the choice itself is compared by *agree*.
// clang-format off
template <class C>
concept checks =
    std::same_as<typename C::checks_concept, checks_tag> &&
    std::regular<C> &&
    std::same_as<decltype(C::validates_plan), bool const> &&
    std::same_as<decltype(C::compares_plans), bool const> &&
    std::same_as<decltype(C::validates_pieces), bool const> &&
    std::same_as<decltype(C::gathers_digest), bool const> &&
    requires {
      typename std::bool_constant<C::validates_plan>;
      typename std::bool_constant<C::compares_plans>;
      typename std::bool_constant<C::validates_pieces>;
      typename std::bool_constant<C::gathers_digest>;
    };
// clang-format on

}  // namespace llep
