// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/cuda/expert_blocks.hpp>
#include <llep/backends/cuda/families.hpp>
#include <llep/backends/cuda/layout.hpp>
#include <llep/backends/cuda/owned_memory.hpp>
#include <llep/backends/cuda/plan_settings.hpp>
#include <llep/backends/cuda/planned_block.hpp>
#include <llep/backends/cuda/planned_kernels.cuh>
#include <llep/backends/cuda/planned_limits.hpp>
#include <llep/backends/cuda/planned_rank.cuh>
#include <llep/backends/cuda/queue.hpp>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/backends/cuda/status.hpp>
#include <llep/backends/cuda/step_plan.cuh>
#include <llep/backends/cuda/tiled_products.cuh>
#include <llep/backends/cuda/words.cuh>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda {

struct planned_options {
  /// Ranks read lent weights where their owners have them; only where all ranks are on one GPU.
  bool share_weights = false;
};

/// The step of P ranks in one process, planned on the device: the host puts it on queues and never
/// waits, whatever the routing is. All of it can be captured in a graph, and replayed with other
/// hidden states, ids and gates in the same memory.
///
/// Ranks  all on one GPU, or on GPUs that reach each other's memory; one host thread drives them.
///        The plan is made on rank 0's GPU and copied to each other GPU once.
/// Room   is fixed when it's made: `planned_limits`. A routing that needs more, or has a bad id,
///        computes nothing: `out` is NaN on every rank then, and `status` says why. By
///        least_loaded's rules `ceil`, at alpha >= 1 and without keep_small_excess_home, a rank
///        gets C + (P - 1) x min_chunk_rows rows at most, where C is the capacity; by any plan,
///        P x tokens x choices.
/// Bits   a row's result doesn't hang on the plan, so that the output is the same for every policy,
///        and equal to a dispatcher's over tiled_kernel.
/// Queues a rank has its own, between what is on the caller's queue and what comes there next.
/// Memory a rank: rows x (2 H of Row + F of the family's element), lent experts' weights, 16 bytes
///        a (token, choice). Weights of a GPU must be memory that its peers reach: cudaMalloc's is.
///
/// @tparam Family linear_expert, swiglu_expert or gptoss_expert of float or double
/// @tparam Row    what rows and weights are stored in: the same, or bfloat16 or half for float
template <detail::family Family, row_element Row = typename Family::element>
  requires detail::computes_rows_of<Family, Row>
class planned_layer {
 public:
  static constexpr std::size_t blocks = Family::blocks;
  using row_type = Row;
  using weight_blocks = std::array<Row const*, blocks>;

  struct member {
    int device = 0;
    /// [E] where the blocks of an expert lie; only a rank's own are looked at. Borrowed.
    std::vector<weight_blocks> native;
  };

  /// @param owner [E] the rank that holds an expert
  /// @param members [P] where ranks are, and what they hold
  /// @throws llep::error (invalid_argument) for sizes that can't be, for missing weights, for
  ///         policies that don't plan on devices, and for GPUs that don't reach each other;
  ///         std::bad_alloc. Allocates all there is; the host waits.
  template <device_planner Policy>
  planned_layer(Family family, Policy const& policy, std::vector<rank_id> owner,
                std::vector<member> const& members, planned_limits const& most,
                planned_options const& how = {})
      : planned_layer(family, settings_of(policy), checked_owners(std::move(owner), members),
                      members, devices_of(members), most, how) {}

  [[nodiscard]] std::int32_t ranks() const { return static_cast<std::int32_t>(ranks_.size()); }
  [[nodiscard]] std::int32_t experts() const { return static_cast<std::int32_t>(owner_.size()); }

  /// Puts a step of all ranks on the queue, a batch a rank, in memory of the rank's GPU; ids are
  /// int32 or int64, gates float or double. q is of rank 0's GPU. Steps of one layer come on one
  /// queue, or on queues that wait for each other. `out` may be `hidden`.
  /// @throws llep::error (invalid_argument) naming rank and argument, before anything is put on the
  ///         queue; (device) where CUDA fails, and q waits for what began
  template <index_element Id, real_element Gate>
  void forward(queue& q, std::span<planned_batch<Row, Id, Gate> const> batches) {
    check_batches(q, batches);
    std::size_t begun = 0;
    try {
      fork(q, begun);
      step(batches);
      for (auto& rank : ranks_) join(q, rank);
    } catch (...) {
      join_quietly(q, begun);  // what did start still uses the caller's memory
      throw;
    }
  }

  /// What stood in the way of the last step on q, if anything. The host waits for it.
  [[nodiscard]] std::optional<error> status(queue& q) const {
    on_device const here(q.device());
    plan_status last;
    check(cudaMemcpyAsync(&last, plan().status, sizeof last, cudaMemcpyDefault, q.stream()),
          "cudaMemcpyAsync");
    check(cudaStreamSynchronize(q.stream()), "wait for the step");
    return detail::error_of(last, most_.choices, experts());
  }

  /// The last step's plan, in the memory of rank 0's GPU.
  [[nodiscard]] planned_block const& plan() const { return plan_.of(0); }

 private:
  using rank_type = detail::planned_rank<Family, Row>;

  planned_layer(Family family, plan_settings const& settings, std::vector<rank_id> owner,
                std::vector<member> const& members, std::vector<int> const& devices,
                planned_limits const& most, planned_options const& how)
      : family_(family),
        owner_(std::move(owner)),
        most_(most),
        fork_(event_on(devices.front())),
        plan_(settings, owner_, devices, most) {
    make_ranks(devices, how);
    connect(members);
  }

  // ---- making it --------------------------------------------------------------------------------

  // Ranks' GPUs. Checked here, as it is needed first.
  [[nodiscard]] static std::vector<int> devices_of(std::vector<member> const& members) {
    expects(!members.empty() && std::ssize(members) <= most_planned_ranks,
            "cuda: planned_layer: takes 1 to 1024 ranks");
    std::vector<int> devices;
    for (member const& m : members) devices.push_back(m.device);
    std::set<int> const distinct(devices.begin(), devices.end());
    for (int const device : distinct)
      for (int const peer : distinct) detail::give_access(device, peer);
    return devices;
  }
  [[nodiscard]] static event event_on(int device) {
    on_device const here(device);
    return {};
  }
  [[nodiscard]] static std::vector<rank_id> checked_owners(std::vector<rank_id> owner,
                                                           std::vector<member> const& members) {
    expects(!owner.empty() && std::ssize(owner) <= most_planned_experts,
            "cuda: planned_layer: takes 1 to 2048 experts");
    for (std::size_t e = 0; e < owner.size(); ++e) {
      expects(owner[e] >= 0 && owner[e] < std::ssize(members),
              "cuda: planned_layer: an owner is not a rank");
      auto const& native = members[static_cast<std::size_t>(owner[e])].native;
      expects(e < native.size() &&
                  std::find(native[e].begin(), native[e].end(), nullptr) == native[e].end(),
              "cuda: planned_layer: an expert's weights are missing at its owner");
    }
    return owner;
  }

  void make_ranks(std::vector<int> const& devices, planned_options const& how) {
    detail::check_limits(most_);
    expects(!how.share_weights ||
                std::count(devices.begin(), devices.end(), devices.front()) == std::ssize(devices),
            "cuda: planned_layer: weights are shared on one GPU only");
    byte_count each = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      weights_.bytes[b] = family_.block_elements()[b] * static_cast<byte_count>(sizeof(Row));
      weights_.offset[b] = each;
      each += detail::layout::aligned(weights_.bytes[b]);
    }
    weights_.lent_stride = how.share_weights ? 0 : each;
    for (std::size_t r = 0; r < devices.size(); ++r) {
      auto const me = static_cast<rank_id>(r);
      detail::rank_sizes const sizes{
          me,
          static_cast<std::int32_t>(devices.size()),
          experts(),
          static_cast<std::int32_t>(std::count(owner_.begin(), owner_.end(), me)),
          most_,
          family_.hidden,
          detail::tiled_products<Family, Row>(family_).inner(),
          weights_.lent_stride};
      ranks_.emplace_back(devices[r], family_, sizes);
    }
  }

  void connect(std::vector<member> const& members) {
    std::vector<void const*> weights;
    detail::alignment_of aligned;
    for (std::size_t e = 0; e < owner_.size(); ++e)
      for (std::size_t b = 0; b < blocks; ++b) {
        Row const* const block = members[static_cast<std::size_t>(owner_[e])].native[e][b];
        detail::expects_device_memory(block, alignof(Row), "weights", e, b);
        weights.push_back(block);
        aligned.with(block);
      }
    for (byte_count const bytes : weights_.bytes) aligned.with(bytes);
    std::vector<void*> inputs, results;
    for (auto const& rank : ranks_) {
      inputs.push_back(rank.lists().x);
      results.push_back(rank.lists().y);
    }
    for (auto& rank : ranks_) rank.connect(weights, inputs, results, weights_, aligned);
  }

  // ---- a step -----------------------------------------------------------------------------------

  template <class Id, class Gate>
  void check_batches(queue const& q, std::span<planned_batch<Row, Id, Gate> const> batches) const {
    expects(q.device() == ranks_.front().device(),
            "cuda: planned_layer: the queue is of another GPU than rank 0");
    expects(batches.size() == ranks_.size(), "cuda: planned_layer: needs one batch a rank");
    for (std::size_t r = 0; r < ranks_.size(); ++r) ranks_[r].check_batch(batches[r]);
  }

  template <class Id, class Gate>
  void step(std::span<planned_batch<Row, Id, Gate> const> batches) {
    for_ranks([&](auto& rank, std::size_t r) { rank.count(batches[r].ids, plan_.report(r)); });
    gather();
    plan_.make(ranks_.front().queue());
    event const& made = ranks_.front().mark();
    for_ranks([&](auto& rank, std::size_t r) { rank.index(batches[r].ids.rows); });
    spread_plan(made);
    for_ranks([&](auto& rank, std::size_t r) { rank.dispatch(plan_.of(r), batches[r].hidden); });
    meet([&](auto& rank, std::size_t r) { rank.prepare(plan_.of(r)); });
    for_ranks([](auto& rank, std::size_t) { rank.compute(); });
    meet([](auto&, std::size_t) {});
    for_ranks([&](auto& rank, std::size_t r) {
      rank.combine(plan_.of(r), batches[r].gates, batches[r].out);
    });
  }

  template <class F>
  void for_ranks(F f) {
    for (std::size_t r = 0; r < ranks_.size(); ++r) f(ranks_[r], r);
  }
  // Ranks begin after what is on q; `begun` of them do.
  void fork(queue& q, std::size_t& begun) {
    on_device const here(q.device());
    check(cudaEventRecord(fork_.handle(), q.stream()), "cudaEventRecord");
    for (; begun < ranks_.size(); ++begun) ranks_[begun].wait(fork_);
  }
  static void join(queue& q, rank_type& rank) {
    on_device const here(q.device());
    check(cudaStreamWaitEvent(q.stream(), rank.mark().handle(), 0), "cudaStreamWaitEvent");
  }
  void join_quietly(queue& q, std::size_t begun) noexcept {
    for (std::size_t r = 0; r < begun; ++r) {
      try {
        join(q, ranks_[r]);
      } catch (...) {  // the device is broken: nothing runs there
      }
    }
  }
  // Rank 0 waits for all.
  void gather() {
    for (auto& rank : ranks_) ranks_.front().wait(rank.mark());
  }
  // All wait for all, but not for what `meanwhile(rank, r)` puts on their queues.
  template <class F>
  void meet(F meanwhile) {
    gather();
    event const& all = ranks_.front().mark();
    for_ranks([&](auto& rank, std::size_t r) {
      meanwhile(rank, r);
      rank.wait(all);
    });
  }

  // The plan goes to the other GPUs, and all ranks wait for it.
  void spread_plan(event const& made) {
    for (std::size_t r = 1; r < ranks_.size(); ++r) {
      std::size_t const first = plan_.first_beside(r);
      if (first == r) {
        ranks_[r].wait(made);
        plan_.fetch(ranks_[r].queue(), r);
      } else {
        ranks_[r].wait(first == 0 ? made : ranks_[first].mark());
      }
    }
  }

  Family family_;
  std::vector<rank_id> owner_;
  planned_limits most_;
  event fork_;
  detail::step_plan plan_;
  detail::expert_weights<blocks> weights_{};
  std::vector<rank_type> ranks_;
};

}  // namespace llep::cuda
