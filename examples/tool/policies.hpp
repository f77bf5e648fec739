// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>

namespace llep::tool {

// A program that lets its user choose a policy by name would have to compile the dispatcher once
// for every combination. One policy that holds any of several does it with a single copy.

namespace detail {

/// Calls f(choice, memory) with what the variant holds and the memory that belongs to it.
template <class Choice, class Memory, class F>
void with_memory(Choice const& choice, Memory& memory, F f) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    auto const one = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
      if (choice.index() == N) f(std::get<N>(choice), std::get<N>(memory));
    };
    (one(std::integral_constant<std::size_t, I>{}), ...);
  }(std::make_index_sequence<std::variant_size_v<Choice>>{});
}

}  // namespace detail

/// A planner that is one of several, chosen at run time.
template <planner... Planners>
struct one_planner_of {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = (Planners::needs_counts || ...);
  using memory = std::tuple<typename Planners::memory...>;

  std::variant<Planners...> choice{};

  void plan(problem const& in, memory& kept, llep::plan& out) const {
    detail::with_memory(choice, kept,
                        [&](auto const& chosen, auto& its) { chosen.plan(in, its, out); });
  }
  [[nodiscard]] std::uint64_t digest() const {
    return std::visit([](auto const& chosen) { return chosen.digest(); }, choice);
  }
  [[nodiscard]] std::uint64_t digest(memory const& kept) const {
    std::uint64_t sum = 0;
    detail::with_memory(choice, kept,
                        [&](auto const& chosen, auto const& its) { sum = chosen.digest(its); });
    return sum;
  }

  friend bool operator==(one_planner_of const&, one_planner_of const&) = default;
};

/// A row order that is one of several, chosen at run time.
template <row_order... Orders>
struct one_row_order_of {
  using row_order_concept = row_order_tag;
  using memory = std::tuple<typename Orders::memory...>;

  std::variant<Orders...> choice{};

  void arrange(problem const& in, llep::plan const& p, memory& kept,
               std::vector<piece>& out) const {
    detail::with_memory(choice, kept,
                        [&](auto const& chosen, auto& its) { chosen.arrange(in, p, its, out); });
  }
  [[nodiscard]] std::uint64_t digest() const {
    return std::visit([](auto const& chosen) { return chosen.digest(); }, choice);
  }

  friend bool operator==(one_row_order_of const&, one_row_order_of const&) = default;
};

using any_planner =
    one_planner_of<standard_ep, least_loaded, fallback<standard_ep>, fallback<least_loaded>>;
using any_row_order = one_row_order_of<global_order, local_first>;
static_assert(planner<any_planner>);
static_assert(row_order<any_row_order>);

}  // namespace llep::tool
