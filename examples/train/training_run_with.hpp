// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

#include <llep/backends/emulated/run.hpp>

#include "language_model.hpp"
#include "text.hpp"
#include "tool/plan_facts.hpp"
#include "training_run.hpp"

namespace llep::train {

namespace detail {

/// Sums numbers over the ranks, in the order of the ranks, so that all get the same bits.
template <class Group>
void sum_over_ranks(Group& group, double* numbers, std::size_t count, std::vector<double>& all) {
  static_assert(sizeof(double) == sizeof(std::int64_t));
  std::vector<std::int64_t> mine(count);
  std::vector<std::int64_t> gathered(count * static_cast<std::size_t>(group.size()));
  std::memcpy(mine.data(), numbers, count * sizeof(double));
  host_device::queue q;
  group.all_gather(q, mine.data(), gathered.data(), static_cast<std::int64_t>(count));
  all.resize(gathered.size());
  std::memcpy(all.data(), gathered.data(), gathered.size() * sizeof(double));
  std::copy_n(all.begin(), count, numbers);
  for (std::size_t at = count; at < all.size(); ++at) numbers[at % count] += all[at];
}

/// What a step needs on a rank, in bytes.
struct rank_memory {
  byte_count kept = 0;       // by the records of all layers
  byte_count workspace = 0;  // of the layer that needs most
};

/// Notes what the last planned layer came to.
template <class Model>
void note_layer(Model const& model, setup const& how, step_facts& facts,
                std::vector<rank_memory>& memory) {
  auto const in = model.moe().last_problem();
  plan const& made = model.moe().last_plan();
  auto const layers = static_cast<double>(how.layers);
  facts.max_over_mean += tool::max_over_mean(tool::planned_loads(made, in.ranks)) / layers;
  facts.moves += std::ssize(made.moves);
  for (rank_id r = 0; r < in.ranks; ++r) {
    auto const need = model.moe().last_need(r, model.kernel(), how.keep);
    auto& of = memory[static_cast<std::size_t>(r)];
    of.kept += need.kept.total();
    of.workspace = std::max({of.workspace, need.forward.total(), need.backward.total()});
  }
}

}  // namespace detail

template <class Kernels>
history run_training(setup const& how, std::vector<std::uint8_t> const& text,
                     tool::any_planner const& planner, progress const& tell) {
  using kernel_type = typename Kernels::template kernel<swiglu_expert<double>>;
  history told;
  auto const body = [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    language_model<double, kernel_type, group_type> model(how, group, planner);
    std::vector<double> numbers;
    std::vector<double> scratch;
    for (std::int64_t step = 0; step < how.steps; ++step) {
      step_facts facts;
      std::vector<detail::rank_memory> memory(static_cast<std::size_t>(how.ranks));
      auto const seed =
          static_cast<std::uint64_t>(step * how.ranks + group.rank()) + how.seed * 1000003;
      auto& replicated = model.replicated();
      numbers.resize(replicated.size() + 1);
      numbers.back() =
          model.learn(draw(text, how.tokens, how.window, seed), how.tokens * how.ranks, [&] {
            if (group.rank() == 0) detail::note_layer(model, how, facts, memory);
          });
      std::copy_n(replicated.gradient(0), replicated.size(), numbers.begin());
      detail::sum_over_ranks(group, numbers.data(), numbers.size(), scratch);
      std::copy_n(numbers.begin(), replicated.size(), replicated.gradient(0));
      model.update(step + 1);
      if (group.rank() != 0) continue;
      facts.loss = numbers.back() / static_cast<double>(how.tokens * how.ranks);
      for (auto const& of : memory)
        told.peak_bytes = std::max(told.peak_bytes, of.kept + of.workspace);
      told.steps.push_back(facts);
      tell(step, facts);
    }
  };
  emulated::run(how.ranks, body);
  return told;
}

}  // namespace llep::train
