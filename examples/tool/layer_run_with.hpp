// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/token_batch.hpp>

#include "layer_case.hpp"
#include "layer_run.hpp"
#include "plan_facts.hpp"

namespace llep::tool {

/// A case in the numbers that it is computed with.
template <class T>
struct layer_data {
  std::int64_t width;  // H
  std::int64_t choices;
  std::vector<T> hidden;
  std::vector<T> gates;
  std::vector<std::int32_t> ids;
  std::vector<std::vector<T>> blocks;  // [block][E x elements]
  std::vector<std::int64_t> first;     // [P + 1] tokens
  std::vector<rank_id> owner;
  std::vector<T> out;

  layer_data(layer_case const& data, std::int32_t ranks)
      : width(data.hidden),
        choices(data.choices),
        hidden(data.values<T>("hidden")),
        gates(data.values<T>("weights")),
        ids(data.values<std::int32_t>("indices")),
        first{0},
        owner(contiguous_owners(data.experts, ranks)),
        out(hidden.size()) {
    for (auto const& name : data.weight_names()) blocks.push_back(data.values<T>(name));
    for (std::int64_t const held : data.tokens_per_rank(ranks))
      first.push_back(first.back() + held);
  }

  /// What a rank holds.
  [[nodiscard]] token_batch<T, std::int32_t, T> part(rank_id r) {
    std::int64_t const from = first[static_cast<std::size_t>(r)];
    std::int64_t const tokens = first[static_cast<std::size_t>(r) + 1] - from;
    return {{hidden.data() + from * width, tokens, width},
            {ids.data() + from * choices, tokens, choices},
            {gates.data() + from * choices, tokens, choices},
            {out.data() + from * width, tokens, width}};
  }

  /// Where the blocks of a rank's own experts lie; null for all others.
  template <std::size_t Blocks>
  [[nodiscard]] std::vector<std::array<T const*, Blocks>> native(rank_id r) const {
    std::vector<std::array<T const*, Blocks>> at(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e) {
      if (owner[e] != r) continue;
      for (std::size_t b = 0; b < Blocks; ++b)
        at[e][b] = blocks[b].data() + e * (blocks[b].size() / owner.size());
    }
    return at;
  }
};

// Keeps the earliest of the steps that ranks report.
inline void note_odd_step(std::atomic<std::int64_t>& earliest, std::int64_t step) {
  std::int64_t known = earliest.load();
  while ((known == 0 || step < known) && !earliest.compare_exchange_weak(known, step)) {
  }
}

template <class Dispatcher, class Kernel>
void describe(Dispatcher const& layer, Kernel const& kernel, layer_result& result) {
  auto const in = layer.last_problem();
  result.moves = std::ssize(layer.last_plan().moves);
  result.spilled_rows = spilled_rows(in, layer.last_plan());
  for (rank_id r = 0; r < in.ranks; ++r)
    result.peak_bytes.push_back(layer.last_need(r, kernel).total());
}

template <class Kernels, class Family>
layer_result run_family(layer_case const& data, layer_setup const& setup, Family const& family) {
  using kernel_type = typename Kernels::template kernel<Family>;
  using row_type = typename Family::element;
  layer_data<row_type> all(data, setup.ranks);
  layer_result result;
  std::atomic<std::int64_t> odd_step{0};
  auto const body = [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    rank_id const me = group.rank();
    host_device::queue q;
    kernel_type kernel(family, all.template native<Family::blocks>(me));
    dispatcher<any_planner, group_type, kernel_type, any_row_order> layer(
        q, group, all.owner, setup.planner, setup.order);
    auto const in = all.part(me);
    layer.forward(q, kernel, in.hidden, in.ids, in.gates, in.out);
    auto const elements = static_cast<std::size_t>(in.out.rows * in.out.cols);
    std::vector<row_type> again(setup.repeats > 1 ? elements : 0);
    for (std::int64_t step = 2; step <= setup.repeats; ++step) {
      std::fill(again.begin(), again.end(), row_type{-1});
      layer.forward(q, kernel, in.hidden, in.ids, in.gates,
                    matrix_ref<row_type>(again.data(), in.out.rows, in.out.cols));
      if (elements > 0 && std::memcmp(again.data(), in.out.data, elements * sizeof(row_type)) != 0)
        note_odd_step(odd_step, step);
    }
    if (me == 0) describe(layer, kernel, result);
  };
  emulated::run(setup.ranks, body, setup.schedule);
  result.out.assign(all.out.begin(), all.out.end());
  result.odd_step = odd_step;
  return result;
}

template <class Kernels, class T>
layer_result run_in(layer_case const& data, layer_setup const& setup) {
  if (data.activation == layer_case::family::gptoss)
    return run_family<Kernels>(data, setup,
                               gptoss_expert<T>{data.hidden, data.inner, data.alpha, data.limit});
  return run_family<Kernels>(data, setup, swiglu_expert<T>{data.hidden, data.inner});
}

/// Runs the case with Kernels::kernel<Family>; see layer_kernel.
template <class Kernels>
layer_result run_layer(layer_case const& data, layer_setup const& setup) {
  return setup.computing_in == element::f64 ? run_in<Kernels, double>(data, setup)
                                            : run_in<Kernels, float>(data, setup);
}

}  // namespace llep::tool
