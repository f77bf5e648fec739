// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <llep/llep.hpp>

#include "tool/device_lists.hpp"
#include "tool/layer_case_data.hpp"
#include "tool/layer_judge.hpp"
#include "tool/policies.hpp"

namespace llep::testing {

// A golden layer on the ranks of any group, forward and backward; for tests and for programs
// without a test framework. `Kernels` says by which kernel: Kernels::kernel<Family>, whose row type
// is what the case is stored in. Family::element is the accumulator_t of that.

/// A case's numbers as T.
template <class T>
std::vector<T> golden_values(tool::layer_case const& c, std::string const& name) {
  std::vector<T> list;
  for (double const value : c.array(name).values)
    list.push_back(static_cast<T>(static_cast<accumulator_t<T>>(value)));
  return list;
}

/// So many that nothing has been computed of yet.
template <class T>
std::vector<T> not_computed(std::size_t count) {
  using real = accumulator_t<T>;
  return std::vector<T>(count, static_cast<T>(std::numeric_limits<real>::quiet_NaN()));
}

/// Where the blocks of a rank's own experts are in lists by block; null for all others.
template <class T, class Family, class Lists>
std::vector<std::array<T*, Family::blocks>> golden_blocks(Lists& by_block, Family const& family,
                                                          rank_id r,
                                                          std::vector<rank_id> const& owner) {
  auto const each = family.block_elements();
  std::vector<std::array<T*, Family::blocks>> list(owner.size());
  for (std::size_t e = 0; e < owner.size(); ++e)
    for (std::size_t b = 0; b < Family::blocks && owner[e] == r; ++b)
      list[e][b] = by_block[b].data() + static_cast<std::int64_t>(e) * each[b];
  return list;
}

/// The inputs of a case with rows of T, with what every rank looks at.
template <class T>
struct golden_inputs {
  tool::layer_case const& data;
  std::vector<T> hidden, grad_out;
  std::vector<accumulator_t<T>> gates;
  std::vector<std::int32_t> ids;
  std::vector<std::vector<T>> weights;  // by block

  explicit golden_inputs(tool::layer_case const& c)
      : data(c),
        hidden(golden_values<T>(c, "hidden")),
        grad_out(golden_values<T>(c, "grad_out")),
        gates(golden_values<accumulator_t<T>>(c, "weights")),
        ids(c.values<std::int32_t>("indices")) {
    for (auto const& name : c.weight_names()) weights.push_back(golden_values<T>(c, name));
  }

  /// The blocks of a rank's own experts; null for all others.
  template <class Family>
  [[nodiscard]] std::vector<std::array<T const*, Family::blocks>> native(
      Family const& family, rank_id r, std::vector<rank_id> const& owner) const {
    return golden_blocks<T const>(weights, family, r, owner);
  }
};

/// The output and the gradients: not computed yet, and 0 where they are added to.
template <class T>
struct golden_results {
  using real = accumulator_t<T>;

  std::vector<T> out;
  std::vector<T> hidden;
  std::vector<real> gates;
  std::vector<std::vector<real>> weights;  // by block

  explicit golden_results(golden_inputs<T> const& in)
      : out(not_computed<T>(in.hidden.size())),
        hidden(not_computed<T>(in.hidden.size())),
        gates(not_computed<real>(in.gates.size())) {
    for (auto const& block : in.weights) weights.emplace_back(block.size(), real{0});
  }

  /// Where the gradients of a rank's own experts go; null for all others.
  template <class Family>
  [[nodiscard]] std::vector<std::array<real*, Family::blocks>> native(
      Family const& family, rank_id r, std::vector<rank_id> const& owner) {
    return golden_blocks<real>(weights, family, r, owner);
  }
};

/// Chosen at run time, so that there is one dispatcher a kernel to compile.
struct golden_policies {
  tool::any_planner planner;
  tool::any_row_order order;
};

/// EP and LLEP in both row orders.
inline std::vector<golden_policies> all_golden_policies() {
  tool::any_planner const ep{standard_ep{}};
  tool::any_planner const llep{least_loaded{.alpha = 1.0, .min_chunk_rows = 1}};
  tool::any_row_order const global{global_order{}};
  tool::any_row_order const local{local_first{}};
  return {{ep, global}, {ep, local}, {llep, global}, {llep, local}};
}

/// The consecutive tokens that a rank holds.
struct golden_tokens {
  std::int64_t first = 0;
  std::int64_t count = 0;

  golden_tokens(tool::layer_case const& c, std::int32_t ranks, rank_id r) {
    auto const split = c.tokens_per_rank(ranks);
    for (rank_id p = 0; p < r; ++p) first += split[static_cast<std::size_t>(p)];
    count = split[static_cast<std::size_t>(r)];
  }

  /// Their rows in a list of all tokens, with `cols` numbers each.
  template <class T>
  [[nodiscard]] matrix_ref<T> of(T* list, std::int64_t cols) const {
    return {list + first * cols, count, cols};
  }
};

/// One rank's part: sets its tokens' rows of `out`.
template <class Kernels, class T, class Family, class Group>
void run_golden_rank(Group& group, golden_inputs<T> const& in, Family const& family,
                     golden_policies const& policies, std::vector<T>& out) {
  using kernel_type = typename Kernels::template kernel<Family>;
  auto const& c = in.data;
  auto const owner = contiguous_owners(c.experts, group.size());
  golden_tokens const mine(c, group.size(), group.rank());
  auto q = group.device().make_queue();
  tool::device_lists lists(group.device(), q);
  kernel_type kernel(family,
                     lists.of(in.native(family, group.rank(), owner), family.block_elements()));
  dispatcher<tool::any_planner, Group, kernel_type, tool::any_row_order> moe(
      q, group, owner, policies.planner, policies.order);
  moe.forward(q, kernel, lists.of(mine.of(in.hidden.data(), c.hidden)),
              lists.of(mine.of(in.ids.data(), c.choices)),
              lists.of(mine.of(in.gates.data(), c.choices)),
              lists.of(mine.of(out.data(), c.hidden)));
  lists.fetch();
}

/// The same forward and backward: sets what is this rank's of results[i] for ways[i]. Every way to
/// train has a record of its own, and all are alive before the last one goes back first.
template <class Kernels, class T, class Family, class Group>
void train_golden_rank(Group& group, golden_inputs<T> const& in, Family const& family,
                       golden_policies const& policies, std::vector<training> const& ways,
                       std::vector<golden_results<T>>& results) {
  using kernel_type = typename Kernels::template kernel<Family>;
  auto const& c = in.data;
  auto const r = group.rank();
  auto const owner = contiguous_owners(c.experts, group.size());
  auto const blocks = family.block_elements();
  golden_tokens const mine(c, group.size(), r);
  auto q = group.device().make_queue();
  tool::device_lists lists(group.device(), q);
  auto const native = lists.of(in.native(family, r, owner), blocks);
  auto const hidden = lists.of(mine.of(in.hidden.data(), c.hidden));
  auto const ids = lists.of(mine.of(in.ids.data(), c.choices));
  auto const gates = lists.of(mine.of(in.gates.data(), c.choices));
  auto const upstream = lists.of(mine.of(in.grad_out.data(), c.hidden));
  dispatcher<tool::any_planner, Group, kernel_type, tool::any_row_order, checks_thorough> moe(
      q, group, owner, policies.planner, policies.order);
  std::vector<kernel_type> kernels;
  kernels.reserve(ways.size());  // what is on the queue may use them where they are
  std::vector<training_record<typename Group::device_type, accumulator_t<T>>> records;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    kernels.emplace_back(family, native, lists.of(results[i].native(family, r, owner), blocks));
    records.push_back(moe.forward(q, kernels.back(), hidden, ids, gates,
                                  lists.of(mine.of(results[i].out.data(), c.hidden)), ways[i]));
  }
  for (std::size_t i = ways.size(); i-- > 0;) {
    moe.backward(q, kernels[i], records[i], upstream,
                 lists.of(mine.of(results[i].hidden.data(), c.hidden)),
                 lists.of(mine.of(results[i].gates.data(), c.choices)));
    expects(records[i].empty(), "a record that was used is empty");  // CHECK is for one thread
  }
  lists.fetch();
}

/// FORMAT: largest difference over largest expected magnitude.
template <class T>
double golden_error(std::vector<T> const& got, tool::case_array const& expected) {
  std::vector<double> wide;
  for (T const value : got) wide.push_back(static_cast<accumulator_t<T>>(value));
  return tool::scaled_error(expected.values, wide);
}

/// FORMAT: the error that is accepted with rows of T; 16-bit ones only in cases that say
/// `inputs_are_bf16_values`.
template <class T>
double golden_tolerance(tool::case_array const& expected) {
  if constexpr (sizeof(T) == 2) return 3e-2;
  constexpr auto computing_in = std::is_same_v<T, float> ? tool::element::f32 : tool::element::f64;
  return tool::tolerance(computing_in, expected.type);
}

/// By the names of the case's expected arrays.
using golden_errors = std::map<std::string, double>;

template <class T>
golden_errors errors_of(golden_results<T> const& got, tool::layer_case const& c) {
  golden_errors errors{{"out", golden_error(got.out, c.array("out"))},
                       {"grad_hidden", golden_error(got.hidden, c.array("grad_hidden"))},
                       {"grad_weights", golden_error(got.gates, c.array("grad_weights"))}};
  auto const names = c.weight_names();
  for (std::size_t b = 0; b < names.size(); ++b)
    errors["grad_" + names[b]] = golden_error(got.weights[b], c.array("grad_" + names[b]));
  return errors;
}

/// Calls f(family) with the case's family of experts in Element, float or double.
template <class Element, class F>
decltype(auto) with_golden_family(tool::layer_case const& c, F f) {
  if (c.activation == tool::layer_case::family::gptoss)
    return f(gptoss_expert<Element>{c.hidden, c.inner, c.alpha, c.limit});
  return f(swiglu_expert<Element>{c.hidden, c.inner});
}

/// Runs a case with rows of Row forward and backward, and returns the errors of "out" and of all
/// gradients.
///
/// @tparam Kernels  Kernels::kernel<Family> is of such rows
/// @param run  run(body) calls body(communicator&) as each rank of a group in this process, a
///             thread each, and returns when they are done
template <class Kernels, class Row, class Run>
golden_errors golden_case_errors(tool::layer_case const& c, golden_policies const& policies,
                                 Run run) {
  golden_inputs<Row> const in(c);
  std::vector<golden_results<Row>> results(1, golden_results<Row>(in));
  with_golden_family<accumulator_t<Row>>(c, [&](auto const& family) {
    run([&](auto& group) {
      train_golden_rank<Kernels>(group, in, family, policies, {training{}}, results);
    });
  });
  return errors_of(results[0], c);
}

}  // namespace llep::testing
