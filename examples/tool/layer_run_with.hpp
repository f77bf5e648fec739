// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>

#include "layer_case.hpp"
#include "layer_run.hpp"
#include "plan_facts.hpp"

namespace llep::tool {

/// A case in the numbers that it is computed with, and what is computed of it.
template <class T>
struct layer_data {
  std::int64_t width;  // H
  std::int64_t choices;
  std::vector<T> hidden, gates, grad_out;
  std::vector<std::int32_t> ids;
  std::vector<std::vector<T>> blocks;  // [block][E x elements]
  std::vector<std::int64_t> first;     // [P + 1] tokens
  std::vector<rank_id> owner;
  std::vector<T> out, grad_hidden, grad_gates;
  std::vector<std::vector<T>> grad_blocks;  // as blocks

  layer_data(layer_case const& data, std::int32_t ranks)
      : width(data.hidden),
        choices(data.choices),
        hidden(data.values<T>("hidden")),
        gates(data.values<T>("weights")),
        grad_out(data.values<T>("grad_out")),
        ids(data.values<std::int32_t>("indices")),
        first{0},
        owner(contiguous_owners(data.experts, ranks)),
        out(hidden.size()),
        grad_hidden(hidden.size()),
        grad_gates(gates.size()) {
    for (auto const& name : data.weight_names()) blocks.push_back(data.values<T>(name));
    for (auto const& block : blocks) grad_blocks.emplace_back(block.size());
    for (std::int64_t const held : data.tokens_per_rank(ranks))
      first.push_back(first.back() + held);
  }

  /// A rank's rows of a matrix over all tokens.
  template <class N>
  [[nodiscard]] matrix_ref<N> part(std::vector<N>& all, std::int64_t cols, rank_id r) const {
    std::int64_t const from = first[static_cast<std::size_t>(r)];
    return {all.data() + from * cols, first[static_cast<std::size_t>(r) + 1] - from, cols};
  }

  /// Where each block of a rank's own experts lies in `all`; null for all others.
  template <std::size_t Blocks, class N, class V>
  [[nodiscard]] std::vector<std::array<N*, Blocks>> native(V& all, rank_id r) const {
    std::vector<std::array<N*, Blocks>> at(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e) {
      if (owner[e] != r) continue;
      for (std::size_t b = 0; b < Blocks; ++b)
        at[e][b] = all[b].data() + e * (all[b].size() / owner.size());
    }
    return at;
  }

  /// Calls f for each array that ranks write parts of.
  template <class F>
  void gather(F f) {
    f(out);
    f(grad_hidden);
    f(grad_gates);
    for (auto& block : grad_blocks) f(block);
  }

  [[nodiscard]] std::map<std::string, std::vector<double>> arrays(layer_case const& data) const {
    auto const wide = [](std::vector<T> const& all) {
      return std::vector<double>(all.begin(), all.end());
    };
    std::map<std::string, std::vector<double>> named{
        {"out", wide(out)}, {"grad_hidden", wide(grad_hidden)}, {"grad_weights", wide(grad_gates)}};
    auto const names = data.weight_names();
    for (std::size_t b = 0; b < names.size(); ++b) named["grad_" + names[b]] = wide(grad_blocks[b]);
    return named;
  }
};

/// One rank's part of a case.
template <class T, class Kernel, class Dispatcher, class Queue>
class layer_rank {
 public:
  layer_rank(layer_data<T>& all, rank_id me, Kernel& kernel, Dispatcher& layer, Queue& q)
      : all_(all), me_(me), kernel_(kernel), layer_(layer), q_(q) {}

  /// Forward and backward; returns a fingerprint of the results.
  std::uint64_t step(training const& keep) {
    auto grads = all_.template native<Kernel::blocks, T>(all_.grad_blocks, me_);
    clear(grads);
    auto const out = all_.part(all_.out, all_.width, me_);
    auto const grad_hidden = all_.part(all_.grad_hidden, all_.width, me_);
    auto const grad_gates = all_.part(all_.grad_gates, all_.choices, me_);
    auto record =
        layer_.forward(q_, kernel_, matrix_ref<T const>(all_.part(all_.hidden, all_.width, me_)),
                       all_.part(all_.ids, all_.choices, me_),
                       all_.part(all_.gates, all_.choices, me_), out, keep);
    layer_.backward(q_, kernel_, record,
                    matrix_ref<T const>(all_.part(all_.grad_out, all_.width, me_)), grad_hidden,
                    grad_gates);
    digest sum;
    for (auto const& part : {out, grad_hidden, grad_gates})
      add(sum, part.data, part.rows * part.cols);
    for (std::size_t e = 0; e < grads.size(); ++e)
      for (std::size_t b = 0; b < Kernel::blocks && grads[e][b] != nullptr; ++b)
        add(sum, grads[e][b], kernel_.grad_elements(b));
    return sum.value();
  }

 private:
  void clear(std::vector<std::array<T*, Kernel::blocks>> const& grads) {
    for (auto const& blocks : grads)
      for (std::size_t b = 0; b < Kernel::blocks && blocks[b] != nullptr; ++b)
        std::fill_n(blocks[b], kernel_.grad_elements(b), T{0});
  }

  static void add(digest& sum, T const* numbers, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      sum.add(std::bit_cast<std::uint64_t>(static_cast<double>(numbers[i])));
  }

  layer_data<T>& all_;
  rank_id me_;
  Kernel& kernel_;
  Dispatcher& layer_;
  Queue& q_;
};

// The earliest of the steps that ranks report; 0 is none.
inline std::int64_t earliest(std::vector<std::int64_t> const& steps) {
  std::int64_t first = 0;
  for (std::int64_t const step : steps)
    if (step != 0 && (first == 0 || step < first)) first = step;
  return first;
}

template <class Dispatcher, class Kernel>
void describe(Dispatcher const& layer, Kernel const& kernel, training const& keep,
              layer_result& result) {
  auto const in = layer.last_problem();
  result.moves = std::ssize(layer.last_plan().moves);
  result.spilled_rows = spilled_rows(in, layer.last_plan());
  for (rank_id r = 0; r < in.ranks; ++r)
    result.peak_bytes.push_back(layer.last_need(r, kernel, keep).peak());
}

template <class Engine, class Family>
layer_result run_family(layer_case const& data, layer_setup const& setup, Family const& family) {
  using kernel_type = typename Engine::template kernel<Family>;
  using row_type = typename Family::element;
  layer_data<row_type> all(data, setup.ranks);
  layer_result result;
  std::vector<std::int64_t> odd_steps(static_cast<std::size_t>(setup.ranks));
  auto const body = [&](auto& group, auto& q) {
    using group_type = std::remove_reference_t<decltype(group)>;
    rank_id const me = group.rank();
    kernel_type kernel(family, all.template native<Family::blocks, row_type const>(all.blocks, me),
                       all.template native<Family::blocks, row_type>(all.grad_blocks, me));
    dispatcher<any_planner, group_type, kernel_type, any_row_order> layer(
        q, group, all.owner, setup.planner, setup.order);
    layer_rank rank(all, me, kernel, layer, q);
    auto const once = rank.step(setup.keep);
    std::int64_t& odd_step = odd_steps[static_cast<std::size_t>(me)];
    for (std::int64_t step = 2; step <= setup.repeats; ++step)
      if (rank.step(setup.keep) != once && odd_step == 0) odd_step = step;
    if (Engine::describes(me)) describe(layer, kernel, setup.keep, result);
  };
  Engine::run(setup.ranks, setup.schedule, body);
  all.gather([](auto& part) { Engine::gather(part); });
  result.arrays = all.arrays(data);
  Engine::gather(odd_steps);
  result.odd_step = earliest(odd_steps);
  return result;
}

template <class Engine, class T>
layer_result run_in(layer_case const& data, layer_setup const& setup) {
  if (data.activation == layer_case::family::gptoss)
    return run_family<Engine>(data, setup,
                              gptoss_expert<T>{data.hidden, data.inner, data.alpha, data.limit});
  return run_family<Engine>(data, setup, swiglu_expert<T>{data.hidden, data.inner});
}

/// Runs the case on an engine's ranks with Engine::kernel<Family>, forward and backward.
template <class Engine>
layer_result run_layer(layer_case const& data, layer_setup const& setup) {
  return setup.computing_in == element::f64 ? run_in<Engine, double>(data, setup)
                                            : run_in<Engine, float>(data, setup);
}

}  // namespace llep::tool
