// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <llep/checks/levels.hpp>
#include <llep/concepts/communicator.hpp>
#include <llep/concepts/planner.hpp>
#include <llep/concepts/row_order.hpp>
#include <llep/concepts/training.hpp>
#include <llep/execution.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planning.hpp>
#include <llep/record.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/step_control.hpp>
#include <llep/token_batch.hpp>
#include <llep/workspace.hpp>

namespace llep {

/// An MoE layer over P ranks: plans every step from the exact loads, lends weights, dispatches,
/// computes and combines (the paper's Alg. 4; with the planner `standard_ep`, Alg. 1).
///
/// One object a rank, made and called by all ranks together, in the same order. It serves any
/// number of steps, layers and shapes; the kernel, which knows a layer's weights, comes with the
/// call. Borrows the communicator, which must stay where it is. One thread at a time.
///
/// Ranks in different calls of it agree on an error. Where one makes a dispatcher while others
/// step, or steps one of another E, messages differ in length: what the transport makes of it, an
/// error if it can tell, ends the group.
template <planner P, communicator C, expert_kernel K, row_order R = global_order,
          checks Checks = checks_cheap>
  requires std::same_as<typename C::device_type, typename K::device_type>
class dispatcher {
 public:
  using device_type = typename C::device_type;
  using queue_type = typename device_type::queue;
  using row_type = typename K::row_type;

  /// Collective.
  /// @param owner [E] the rank that holds an expert's weights, the same list on every rank.
  /// @throws llep::error on every rank alike: invalid_argument if a rank's owners aren't ranks or
  ///         there are none; disagreement if E, owners or policies differ between ranks.
  dispatcher(queue_type& q, C& group, std::span<rank_id const> owner, P policy = P(), R order = R())
      : dispatcher(group, owner, std::move(policy), std::move(order)) {
    finish([&] { return control_.agree(q); });
  }

  /// out[t] = sum over k of gates[t][k] x expert ids[t][k] (hidden[t]), for this rank's T tokens.
  /// Collective; T may differ between ranks and be 0.
  ///
  /// @param kernel the layer; the blocks of the experts this rank owns are read.
  /// @param hidden [T][H]   @param ids [T][K], int32 or int64, in [0, E); repeats are legal
  /// @param gates [T][K], float; double where the device combines this row type with it
  /// @param out [T][H]; it may lie where `hidden` does, and overlaps neither ids nor gates
  /// All device memory, in use until q has passed the call.
  /// @throws llep::error, the same on every rank. invalid_argument and disagreement (nothing was
  ///         sent), plan_inconsistent of the step before, device (a workspace couldn't grow): the
  ///         group stays usable. Anything later takes the communicator down.
  /// Cost: one host synchronisation; a second one when a workspace grows.
  template <class Id, class Gate>
  void forward(queue_type& q, K& kernel, matrix_ref<row_type const> hidden, matrix_ref<Id> ids,
               matrix_ref<Gate> gates, matrix_ref<row_type> out)
    requires indexes_rows<device_type, std::remove_const_t<Id>> &&
             combines_rows<device_type, row_type, std::remove_const_t<Gate>>
  {
    token_batch<row_type, std::remove_const_t<Id>, std::remove_const_t<Gate>> const in{hidden, ids,
                                                                                       gates, out};
    finish([&] {
      auto const needed = [&](rank_id r) { return training_need{{}, need(r, kernel), {}}; };
      return step(q, kernel, in, needed, nullptr);
    });
  }

  /// What forward leaves for backward.
  template <class Gate>
  using record = training_record<device_type, std::remove_const_t<Gate>>;

  /// Likewise, and keeps what `backward` needs, which `how` makes less. `how` is the same on every
  /// rank. The gates stay as they are until then. Gradients of weights needn't have a place yet: a
  /// record may be dropped, and backward may come with another kernel; it is there that they are
  /// asked for.
  template <class Id, class Gate>
  [[nodiscard]] record<Gate> forward(queue_type& q, K& kernel, matrix_ref<row_type const> hidden,
                                     matrix_ref<Id> ids, matrix_ref<Gate> gates,
                                     matrix_ref<row_type> out, training const& how)
    requires trainable_kernel<K> && indexes_rows<device_type, std::remove_const_t<Id>> &&
             combines_rows<device_type, row_type, std::remove_const_t<Gate>>
  {
    token_batch<row_type, std::remove_const_t<Id>, std::remove_const_t<Gate>> const in{hidden, ids,
                                                                                       gates, out};
    std::shared_ptr<detail::kept_step<device_type>> kept;
    finish([&] {
      kept = records_->take();
      kept->how = how;
      auto const needed = [&](rank_id r) { return need(steps(), r, kernel, how); };
      return step(q, kernel, in, needed, kept.get());
    });
    return detail::record_access::make(std::move(kept), in.gates);
  }

  /// The backward pass of the step that left `of`, which is empty afterwards:
  /// grad_hidden [T][H] and grad_gates [T][K] are set, the kernel's gradients of weights added to.
  /// Collective; records may be used in any order that is the same on every rank.
  ///
  /// @param kernel the layer that the step was made with, its weights unchanged: another layer's of
  ///        the same sizes can't be told from it
  /// @param grad_out [T][H], the gradient by `out`
  /// grad_hidden may lie where grad_out does, and grad_gates where the gates of the step do; else
  /// none of the four overlaps another.
  /// All device memory, in use until q has passed the call; so are weights, gradients and gates.
  /// @throws llep::error, the same on every rank. invalid_argument, disagreement, device (no room):
  ///         nothing was sent, and the record is as it was. Otherwise as forward.
  /// Lent experts' gradients are added to their owner's after its own, by helper rank.
  /// Cost: one host synchronisation; a second one when a workspace grows.
  template <class Gate>
  void backward(queue_type& q, K& kernel, training_record<device_type, Gate>& of,
                matrix_ref<row_type const> grad_out, matrix_ref<row_type> grad_hidden,
                matrix_ref<Gate> grad_gates)
    requires trains_with<K, Gate>
  {
    auto* const step = detail::record_access::step(of);
    gradient_batch<row_type, Gate> const in{grad_out, detail::record_access::gates(of), grad_hidden,
                                            grad_gates};
    finish([&]() -> std::optional<error> {
      group().device().wait(q, last_step_);
      if (auto refused = control_.agree_back(q, kernel, in, step, records_.get())) return refused;
      auto const& kept = *step;
      auto const needed = [&](rank_id r) { return need(kept.steps, r, kernel, kept.how).backward; };
      auto const room = [&](rank_id r) { return detail::room_need{needed(r).total(), 0}; };
      if (auto refused = control_.make_room(q, room, nullptr)) return refused;
      execution_.backward(q, group(), kernel, in, kept.steps, kept.made, kept.how,
                          workspace_areas(kept.memory.data(), kept.need),
                          workspace_areas(control_.workspace(), needed(group().rank())));
      group().device().record(last_step_, q);
      return std::nullopt;
    });
    of = {};
  }

  /// What the last step was planned from, its plan, and what it needed on a rank, any rank: all of
  /// the last forward that wasn't refused before it was planned. Valid until the next call; before
  /// the first step empty, or errc::invalid_argument.
  [[nodiscard]] problem last_problem() const { return control_.last_problem(); }
  [[nodiscard]] plan const& last_plan() const { return control_.planned().made(); }
  [[nodiscard]] workspace_need last_need(rank_id r, K const& kernel) const {
    check_last(r);
    return need(r, kernel);
  }
  /// What training it with `how` needs.
  [[nodiscard]] training_need last_need(rank_id r, K const& kernel, training const& how) const
    requires trainable_kernel<K>
  {
    check_last(r);
    return need(steps(), r, kernel, how);
  }

 private:
  // Makes what can fail on one rank alone; the public constructor goes on from there.
  dispatcher(C& group, std::span<rank_id const> owner, P policy, R order) try
      : control_(group, owner, {std::move(policy), std::move(order)}),
        records_(std::make_unique<detail::record_pool<device_type>>(group.device())),
        execution_(group.device()),
        last_step_(group.device().make_event()) {
  } catch (...) {
    throw error(group.abort(current_error(group.rank())));
  }

  // Runs a call's body. What it returns was agreed on, so it is thrown on every rank; what it
  // throws happened on this rank alone, so it takes the group down and all ranks throw the same.
  template <class Body>
  void finish(Body body) {
    std::optional<error> agreed;
    try {
      agreed = body();
    } catch (...) {
      agreed = group().abort(current_error(group().rank()));
    }
    if (agreed) throw error(*agreed);
  }

  // A forward step; `kept` is what a record keeps of it, or null.
  template <class Batch, class Need>
  [[nodiscard]] std::optional<error> step(queue_type& q, K& kernel, Batch const& in, Need needed,
                                          detail::kept_step<device_type>* kept) {
    group().device().wait(q, last_step_);  // the call before may have had another queue
    if (auto refused = control_.agree(q, kernel, in, kept)) return refused;
    auto const room = [&](rank_id r) {
      training_need const n = needed(r);
      return detail::room_need{n.forward.total(), n.kept.total()};
    };
    if (auto refused = control_.make_room(q, room, kept)) return refused;
    training_need const mine = needed(group().rank());
    workspace_areas areas(control_.workspace(), mine.forward);
    if (kept != nullptr) {
      kept->number = control_.call();
      kept->tokens = in.ids.rows;
      kept->choices = in.ids.cols;
      kept->kernel = kernel.digest();
      kept->plan_digest = control_.planned().fingerprint();
      kept->made = last_plan();
      kept->steps = steps();
      kept->need = mine.kept;
      areas.join(workspace_areas(kept->memory.data(), mine.kept));
    }
    execution_.forward(q, group(), kernel, in, steps(), last_plan(), areas);
    group().device().record(last_step_, q);
    return std::nullopt;
  }

  [[nodiscard]] C& group() const { return control_.group(); }
  [[nodiscard]] schedule const& steps() const { return control_.planned().steps(); }
  [[nodiscard]] workspace_need need(rank_id r, K const& kernel) const {
    return need_of(steps(), r, kernel, !C::places_segments);
  }
  [[nodiscard]] static training_need need(schedule const& of, rank_id r, K const& kernel,
                                          training const& how)
    requires trainable_kernel<K>
  {
    return need_of(of, r, kernel, !C::places_segments, how);
  }
  void check_last(rank_id r) const {
    expects(control_.planned().decided() && r >= 0 && r < group().size(),
            "last_need: no such rank, or no step yet");
  }

  step_control<C, planning<P, R, Checks>> control_;
  std::unique_ptr<detail::record_pool<device_type>> records_;
  execution<C, K> execution_;
  typename device_type::event last_step_;
};

/// A dispatcher over `group` with everything but the kernel's type deduced; arguments and errors as
/// its constructor's. Plans with the paper's settings where nothing is named: lambda 1.3, alpha 1,
/// m 1024.
template <expert_kernel K, row_order R = global_order, checks Checks = checks_cheap, communicator C,
          planner P = fallback<least_loaded>>
[[nodiscard]] dispatcher<P, C, K, R, Checks> make_dispatcher(typename C::device_type::queue& q,
                                                             C& group,
                                                             std::span<rank_id const> owner,
                                                             P policy = P(), R order = R()) {
  return dispatcher<P, C, K, R, Checks>(q, group, owner, std::move(policy), std::move(order));
}

}  // namespace llep
