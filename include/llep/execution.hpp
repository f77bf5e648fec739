// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <llep/concepts/communicator.hpp>
#include <llep/concepts/training.hpp>
#include <llep/lending.hpp>
#include <llep/schedule.hpp>
#include <llep/token_batch.hpp>
#include <llep/transport.hpp>
#include <llep/workspace.hpp>

namespace llep {

/// Carries a schedule out on one rank, forward and backward: lend weights, dispatch rows, compute,
/// bring them back. Allocates only while it grows.
template <communicator C, expert_kernel K>
class execution {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using row_type = typename K::row_type;

  explicit execution(device_type& device) : rows_(device) {}

  /// out = the layer of hidden. `areas` are as large as the schedule needs on this rank; with an
  /// area `saved` the kernel fills it.
  template <class Batch>
  void forward(queue_type& q, C& group, K& kernel, Batch const& in, schedule const& steps,
               plan const& p, workspace_areas const& areas) {
    auto& device = group.device();
    rows_.upload(q, steps, row_bytes(kernel));
    lent_in_.emplace(weights_.lend(q, group, kernel, steps, p, areas.lent));
    rows_.index(q, device, in.ids, areas.slot_list());
    device.pack(q, reinterpret_cast<std::byte const*>(in.hidden.data), row_bytes(kernel),
                in.hidden.stride * static_cast<byte_count>(sizeof(row_type)), in.ids.cols,
                areas.slot_list(), in.ids.rows * in.ids.cols, areas.home);
    rows_.dispatch(q, group, steps, areas.home, areas.staged, areas.rows_in);
    compute(q, group, kernel, steps, areas);
    rows_.bring_back(q, group, steps, areas.rows_out, areas.staged, areas.home);
    device.combine(q, typed(areas.home), areas.slot_list(), in.gates, in.out);
  }

  /// The gradients of a step that `kept` is of. `areas` are those of its backward pass. All that is
  /// read of grad_out and gates is read before grad_gates and grad_hidden are written, in this
  /// order, so the former may lie where the gates do, and the latter where grad_out does.
  template <class Batch>
  void backward(queue_type& q, C& group, K& kernel, Batch const& in, schedule const& steps,
                plan const& p, training const& how, workspace_areas const& kept,
                workspace_areas areas)
    requires trainable_kernel<K>
  {
    auto& device = group.device();
    rows_.upload(q, steps, row_bytes(kernel));
    if (how.lend_again)
      lent_in_.emplace(weights_.lend(q, group, kernel, steps, p, areas.lent));
    else
      areas.lent = kept.lent;
    device.pack_scaled(q, in.grad_out, in.gates, kept.slot_list(),
                       reinterpret_cast<row_type*>(areas.home));
    rows_.dispatch(q, group, steps, areas.home, areas.staged, areas.rows_in);
    if (how.resend_outputs) resend(q, group, kernel, steps, how, kept, areas);
    device.gate_gradient(q, typed(how.resend_outputs ? areas.home : kept.home), kept.slot_list(),
                         in.grad_out, in.grad_gates);
    device.zero(q, areas.gradients,
                static_cast<byte_count>(steps.lent(group.rank())) * expert_gradient_bytes(kernel));
    go_back(q, group, kernel, steps, kept, areas);
    rows_.bring_back(q, group, steps, areas.rows_out, areas.staged, areas.home);
    device.sum(q, typed(areas.home), kept.slot_list(), in.gates.cols, in.grad_hidden);
    weights_.return_gradients(q, group, kernel, steps, p, areas.gradients, areas.incoming);
  }

 private:
  static byte_count row_bytes(K const& kernel) {
    return kernel.hidden() * static_cast<byte_count>(sizeof(row_type));
  }
  static row_type const* typed(std::byte const* rows) {
    return reinterpret_cast<row_type const*>(rows);
  }

  // Native groups first; `lent` is where lent weights lie.
  void list_groups(K const& kernel, schedule const& steps, rank_id me, std::byte const* lent) {
    auto const layout = detail::weight_layout(kernel);
    auto const experts = steps.experts(me);
    natives_ = experts.size() - steps.lent(me);
    groups_.clear();
    row_count first = 0;
    for (std::size_t g = 0; g < experts.size(); ++g) {
      row_count const rows = steps.rows_by_group(me)[g];
      auto const weights =
          g < natives_ ? kernel.native(experts[g]) : layout.template at<void const*>(lent);
      if (g >= natives_) lent += layout.total();
      groups_.push_back({experts[g], first, rows, weights});
      first += rows;
    }
  }

  // Where their gradients go: natives' to the user's memory, lent ones' to an area of ours.
  void list_gradients(K const& kernel, std::byte* gradients)
    requires trainable_kernel<K>
  {
    auto const layout = detail::gradient_layout(kernel);
    back_.clear();
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      auto const& [expert, first, rows, weights] = groups_[g];
      auto const grads =
          g < natives_ ? kernel.native_grad(expert) : layout.template at<void*>(gradients);
      if (g >= natives_) gradients += layout.total();
      back_.push_back({expert, first, rows, weights, grads});
    }
  }

  // Calls f with the native groups, and with the lent ones when their weights are in. One call sees
  // all of either, unless transfers need the host's help in between.
  template <class Groups, class F>
  void by_group(queue_type& q, C& group, Groups const& all, F f) {
    auto const some = [&](auto groups) {
      std::size_t const at_once = C::needs_progress ? 1 : (std::max<std::size_t>)(groups.size(), 1);
      for (; !groups.empty(); groups = groups.subspan((std::min)(at_once, groups.size()))) {
        f(groups.first((std::min)(at_once, groups.size())));
        if constexpr (C::needs_progress) group.progress();
      }
    };
    some(std::span(all).first(natives_));
    if (lent_in_) group.wait(q, std::move(*lent_in_));
    lent_in_.reset();
    some(std::span(all).subspan(natives_));
  }

  void compute(queue_type& q, C& group, K& kernel, schedule const& steps,
               workspace_areas const& areas) {
    list_groups(kernel, steps, group.rank(), areas.lent);
    auto const* const x = typed(areas.rows_in);
    auto* const y = reinterpret_cast<row_type*>(areas.rows_out);
    by_group(q, group, groups_, [&](auto groups) {
      if constexpr (trainable_kernel<K>)
        if (areas.saved != nullptr) return kernel.forward(q, groups, x, y, areas.saved, areas.work);
      kernel.forward(q, groups, x, y, areas.work);
    });
  }

  void go_back(queue_type& q, C& group, K& kernel, schedule const& steps,
               workspace_areas const& kept, workspace_areas const& areas)
    requires trainable_kernel<K>
  {
    list_groups(kernel, steps, group.rank(), areas.lent);
    list_gradients(kernel, areas.gradients);
    by_group(q, group, back_, [&](auto groups) {
      kernel.backward(q, groups, typed(kept.rows_in), kept.saved, typed(areas.rows_in),
                      reinterpret_cast<row_type*>(areas.rows_out), areas.work);
    });
  }

  // The experts' outputs go home once more, computed again if they weren't kept. The areas of the
  // gradients' way home are free until those set out.
  void resend(queue_type& q, C& group, K& kernel, schedule const& steps, training const& how,
              workspace_areas const& kept, workspace_areas areas) {
    std::byte const* outputs = kept.rows_out;
    if (how.recompute) {
      areas.rows_in = kept.rows_in;
      compute(q, group, kernel, steps, areas);
      outputs = areas.rows_out;
    }
    rows_.bring_back(q, group, steps, outputs, areas.staged, areas.home);
  }

  row_transport<C> rows_;
  weight_lending<C, K> weights_;
  std::optional<typename C::ticket> lent_in_;  // of weights on their way, until they are needed
  std::size_t natives_ = 0;                    // groups before the lent ones
  std::vector<row_group<K::blocks>> groups_;
  std::vector<gradient_group<K::blocks>> back_;
};

}  // namespace llep
