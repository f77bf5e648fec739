// SPDX-License-Identifier: Apache-2.0
#pragma once

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

#include "device_lists.hpp"
#include "layer_case_data.hpp"
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

/// One rank's part of a case, where its device reaches it.
template <class T, class Group, class Queue>
class layer_rank {
 public:
  using device_type = typename Group::device_type;

  layer_rank(layer_data<T>& all, Group& group, Queue& q)
      : all_(all),
        me_(group.rank()),
        device_(group.device()),
        q_(q),
        lists_(device_, q),
        hidden_(lists_.of(matrix_ref<T const>(all.part(all.hidden, all.width, me_)))),
        gates_(lists_.of(matrix_ref<T const>(all.part(all.gates, all.choices, me_)))),
        upstream_(lists_.of(matrix_ref<T const>(all.part(all.grad_out, all.width, me_)))),
        ids_(lists_.of(matrix_ref<std::int32_t const>(all.part(all.ids, all.choices, me_)))),
        out_(lists_.of(all.part(all.out, all.width, me_))),
        grad_hidden_(lists_.of(all.part(all.grad_hidden, all.width, me_))),
        grad_gates_(lists_.of(all.part(all.grad_gates, all.choices, me_))) {}

  /// A kernel of the family with the rank's own experts.
  template <class Kernel, class Family>
  [[nodiscard]] Kernel make_kernel(Family const& family) {
    auto const elements = family.block_elements();
    return {family,
            lists_.of(all_.template native<Kernel::blocks, T const>(all_.blocks, me_), elements),
            lists_.of(all_.template native<Kernel::blocks, T>(all_.grad_blocks, me_), elements)};
  }

  /// Forward and backward; returns a fingerprint of the results.
  template <class Kernel, class Dispatcher>
  std::uint64_t step(Kernel& kernel, Dispatcher& layer, training const& keep) {
    clear_gradients(kernel);
    auto record = layer.forward(q_, kernel, hidden_, ids_, gates_, out_, keep);
    layer.backward(q_, kernel, record, upstream_, grad_hidden_, grad_gates_);
    lists_.fetch();
    digest sum;
    for (auto const& part :
         {all_.part(all_.out, all_.width, me_), all_.part(all_.grad_hidden, all_.width, me_),
          all_.part(all_.grad_gates, all_.choices, me_)})
      add(sum, part.data, part.rows * part.cols);
    for (auto const& blocks : all_.template native<Kernel::blocks, T>(all_.grad_blocks, me_))
      for (std::size_t b = 0; b < Kernel::blocks && blocks[b] != nullptr; ++b)
        add(sum, blocks[b], kernel.grad_elements(b));
    return sum.value();
  }

 private:
  template <class Kernel>
  void clear_gradients(Kernel const& kernel) {
    for (expert_id e = 0; e < std::ssize(all_.owner); ++e) {
      auto const blocks = kernel.native_grad(e);
      for (std::size_t b = 0; b < Kernel::blocks && blocks[b] != nullptr; ++b)
        device_.zero(q_, blocks[b], kernel.grad_elements(b) * static_cast<byte_count>(sizeof(T)));
    }
  }

  static void add(digest& sum, T const* numbers, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i)
      sum.add(std::bit_cast<std::uint64_t>(static_cast<double>(numbers[i])));
  }

  layer_data<T>& all_;
  rank_id me_;
  device_type& device_;
  Queue& q_;
  device_lists<device_type> lists_;
  matrix_ref<T const> hidden_, gates_, upstream_;
  matrix_ref<std::int32_t const> ids_;
  matrix_ref<T> out_, grad_hidden_, grad_gates_;
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
    layer_rank rank(all, group, q);
    auto kernel = rank.template make_kernel<kernel_type>(family);
    dispatcher<any_planner, group_type, kernel_type, any_row_order> layer(
        q, group, all.owner, setup.planner, setup.order);
    auto const once = rank.step(kernel, layer, setup.keep);
    std::int64_t& odd_step = odd_steps[static_cast<std::size_t>(group.rank())];
    for (std::int64_t step = 2; step <= setup.repeats; ++step)
      if (rank.step(kernel, layer, setup.keep) != once && odd_step == 0) odd_step = step;
    if (Engine::describes(group.rank())) describe(layer, kernel, setup.keep, result);
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
