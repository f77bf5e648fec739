// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/golden_layer.hpp"
#include "support/sanitizers.hpp"
#include "support/trainings.hpp"

namespace llep::testing {

// Golden layers, forward and backward, through everything that may not change their gradients.

// Every so-many-th combination is run. Under sanitizers every 19th: 20 would meet the same ways to
// train again and again.
inline constexpr int golden_stride = sanitized ? 19 : 1;

template <class T>
struct golden_gradients {
  std::vector<T> hidden, gates;
  std::vector<std::vector<T>> weights;  // by block

  explicit golden_gradients(golden_inputs<T> const& in)
      : hidden(in.hidden.size(), std::nan("")), gates(in.gates.size(), std::nan("")) {
    for (auto const& block : in.weights) weights.emplace_back(block.size(), T{0});
  }

  /// Where the gradients of a rank's own experts go; null for all others.
  template <class Family>
  [[nodiscard]] std::vector<std::array<T*, Family::blocks>> native(
      Family const& family, rank_id r, std::vector<rank_id> const& owner) {
    auto const each = family.block_elements();
    std::vector<std::array<T*, Family::blocks>> list(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e)
      for (std::size_t b = 0; b < Family::blocks && owner[e] == r; ++b)
        list[e][b] = weights[b].data() + static_cast<std::int64_t>(e) * each[b];
    return list;
  }
};

/// A rank's part: every way to train has a record of its own, and all are alive before the last one
/// goes back first.
template <class Kernels, class T, class Family, class Group>
void train_golden_rank(Group& group, golden_inputs<T> const& in, std::vector<T> const& grad_out,
                       Family const& family, golden_policies const& policies,
                       std::vector<training> const& ways,
                       std::vector<golden_gradients<T>>& results) {
  using kernel_type = typename Kernels::template kernel<Family>;
  auto const& c = in.data;
  auto const r = group.rank();
  auto const owner = contiguous_owners(c.experts, group.size());
  golden_tokens const mine(c, group.size(), r);
  auto q = group.device().make_queue();
  dispatcher<tool::any_planner, Group, kernel_type, tool::any_row_order, checks_thorough> moe(
      q, group, owner, policies.planner, policies.order);
  std::vector<kernel_type> kernels;
  std::vector<training_record<typename Group::device_type, T>> records;
  std::vector<T> out(in.hidden.size());
  for (std::size_t i = 0; i < ways.size(); ++i) {
    kernels.emplace_back(family, in.native(family, r, owner), results[i].native(family, r, owner));
    records.push_back(moe.forward(
        q, kernels.back(), mine.of(in.hidden.data(), c.hidden), mine.of(in.ids.data(), c.choices),
        mine.of(in.gates.data(), c.choices), mine.of(out.data(), c.hidden), ways[i]));
  }
  for (std::size_t i = ways.size(); i-- > 0;) {
    moe.backward(q, kernels[i], records[i], mine.of(grad_out.data(), c.hidden),
                 mine.of(results[i].hidden.data(), c.hidden),
                 mine.of(results[i].gates.data(), c.choices));
    expects(records[i].empty(), "a record that was used is empty");  // CHECK is for one thread
  }
}

/// The case's combinations, in one order: of `golden_stride` in turn one is run.
class golden_turn {
 public:
  [[nodiscard]] std::vector<training> some_ways() {
    std::vector<training> ways;
    for (auto const& way : all_trainings())
      if (count_++ % golden_stride == 0) ways.push_back(way);
    return ways;
  }

 private:
  int count_ = 0;
};

template <class T>
void check_gradients(golden_gradients<T> const& got, golden_gradients<T> const& reference,
                     tool::layer_case const& c) {
  auto const close = [&](std::string const& name, std::vector<T> const& values) {
    CAPTURE(name);
    auto const& expected = c.array(name);
    CHECK(golden_error(values, expected) <= golden_tolerance<T>(expected));
  };
  close("grad_hidden", got.hidden);
  close("grad_weights", got.gates);
  auto const names = c.weight_names();
  for (std::size_t b = 0; b < names.size(); ++b) close("grad_" + names[b], got.weights[b]);
  CHECK(got.hidden == reference.hidden);  // to the bit
  CHECK(got.gates == reference.gates);
}

template <class Kernels, class Family>
void check_golden_gradients_of(tool::layer_case const& c, Family const& family, golden_turn& turn) {
  using T = typename Family::element;
  golden_inputs<T> const in(c);
  auto const grad_out = c.values<T>("grad_out");
  auto const run = [&](std::int32_t ranks, golden_policies const& policies,
                       std::vector<training> const& ways) {
    std::vector<golden_gradients<T>> results(ways.size(), golden_gradients<T>(in));
    if (ways.empty()) return results;
    emulated::run(ranks, Kernels::make_device, [&](auto& group) {
      train_golden_rank<Kernels>(group, in, grad_out, family, policies, ways, results);
    });
    return results;
  };
  auto const every = all_golden_policies();
  auto const reference = run(1, every.front(), {training{}});
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    for (std::size_t p = 0; p < every.size(); ++p) {
      auto const ways = turn.some_ways();
      auto const results = run(ranks, every[p], ways);
      for (std::size_t i = 0; i < ways.size(); ++i) {
        CAPTURE(ranks, p, ways[i].recompute, ways[i].lend_again, ways[i].resend_outputs);
        check_gradients(results[i], reference[0], c);
      }
    }
  }
}

/// All cases in float and double: every gradient within tolerance, those by hidden states and gates
/// bit-identical, for all P, EP and LLEP, row orders and ways to train.
template <class Kernels>
void check_golden_gradients() {
  golden_turn turn;
  for_golden_layers([&](tool::layer_case const& c, auto const& family) {
    check_golden_gradients_of<Kernels>(c, family, turn);
  });
}

}  // namespace llep::testing
