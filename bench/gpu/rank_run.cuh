// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <llep/device/mirror.hpp>
#include <llep/execution.hpp>
#include <llep/schedule.hpp>
#include <llep/token_batch.hpp>
#include <llep/workspace.hpp>

#include "layer_bed.cuh"
#include "silent_group.cuh"
#include "step_model.hpp"
#include "timing.hpp"

namespace llep::bench {

/// What all ranks decide in a step, and how long deciding takes.
struct decision {
  plan made;
  std::vector<piece> pieces;
  double us = 0;
};

template <planner P, row_order R>
[[nodiscard]] decision decide(problem const& in, P const& policy, R const& order) {
  decision d;
  typename P::memory memory{};
  typename R::memory order_memory{};
  schedule steps;
  constexpr int rounds = 5;
  d.us = host_us(rounds, [&] {
    policy.plan(in, memory, d.made);
    order.arrange(in, d.made, order_memory, d.pieces);
    steps.build(in, d.made, d.pieces, 0);
  });
  return d;
}

/// What a rank's work in a step consists of. Ranks whose lists are alike take as long.
struct rank_work {
  std::vector<row_count> groups, arrivals, own;
  std::size_t lent = 0;
  std::size_t segments = 0;

  rank_work(schedule const& steps, rank_id r)
      : groups(steps.rows_by_group(r).begin(), steps.rows_by_group(r).end()),
        lent(steps.lent(r)),
        segments(steps.segments().size()) {
    for (arrival const& a : steps.arrivals()) arrivals.push_back(a.rows);
    for (row_chunk const& c : steps.own_rows()) own.push_back(c.rows);
  }
  friend bool operator==(rank_work const&, rank_work const&) = default;
};

/// Runs one rank's part of steps of one layer, with everything but the transfers.
template <class K, class Family>
class rank_runner {
 public:
  /// `sweep_bytes`: see cache_sweep.
  rank_runner(cuda::device<>& device, cuda::queue& q, layer_shape const& s, Family const& family,
              std::int32_t ranks, byte_count sweep_bytes)
      : device_(device),
        q_(q),
        shape_(s),
        ranks_(ranks),
        pool_(q, s, family, s.experts / ranks),
        streams_(std::make_shared<typename K::streams_type>(cuda::blas_options{}.streams)),
        x_(random_array<bf16>(q, s.tokens * s.hidden, 1)),
        out_(x_.size()),
        gates_(random_array<float>(q, s.rows(), 2)),
        counts_(device),
        sweep_(sweep_bytes),
        clock_(q),
        step_(device) {}

  /// The experts of a rank's rows; the same on every rank but for their order, which hangs on
  /// nothing that takes time.
  void set_ids(std::vector<std::int32_t> const& ids) { ids_ = device_array(ids); }

  /// Counting rows and having the counts on the host, from when the queue is idle.
  [[nodiscard]] double count_us() {
    auto const words = static_cast<byte_count>(sizeof(std::int64_t)) * (shape_.experts + 2);
    counts_.reserve(words);
    auto counted = device_.make_event();
    constexpr int rounds = 11;
    return host_us(rounds, [&] {
      auto* const at = reinterpret_cast<std::int64_t*>(counts_.on_device());
      device_.count(q_, ids(), shape_.experts, at, at + 2);
      counts_.download(q_, 0, words);
      device_.record(counted, q_);
      device_.sync(counted);
    });
  }

  /// Bytes that the rank needs besides weights.
  [[nodiscard]] byte_count need_bytes(schedule const& steps, rank_id r) const {
    return need_of(steps, r, kernel_of(r), true).total();
  }
  [[nodiscard]] bool has_room(byte_count bytes) const {
    return bytes <= static_cast<byte_count>(memory_.bytes()) + free_bytes();
  }

  /// The middle of so many rounds, phase by phase. There is room.
  [[nodiscard]] rank_phases measure(schedule const& steps, plan const& p, rank_id r, int rounds) {
    K kernel = kernel_of(r);
    auto const need = need_of(steps, r, kernel, true);
    if (need.total() > static_cast<byte_count>(memory_.bytes())) {
      memory_ = {};  // before there is more
      memory_ = device_array<std::byte>(need.total());
    }
    workspace_areas const areas(memory_.data(), need);
    fill(areas.lent, need.lent, weight_scale(shape_));
    std::vector<rank_phases> samples;
    for (int round = -1; round < rounds; ++round) {
      fill(areas.staged, need.staged, 1);  // as if rows had come
      rank_phases const sample = run(steps, p, r, kernel, areas);
      if (round >= 0) samples.push_back(sample);
    }
    return middle(samples);
  }

 private:
  [[nodiscard]] matrix_ref<std::int32_t const> ids() const {
    return {ids_.data(), shape_.tokens, shape_.choices};
  }
  [[nodiscard]] K kernel_of(rank_id r) const {
    auto const each = static_cast<std::int32_t>(pool_.size());
    return pool_.kernel(shape_.experts, r * each, {}, streams_);
  }
  void fill(std::byte* at, byte_count bytes, float scale) {
    randomize(q_, reinterpret_cast<bf16*>(at), bytes / static_cast<byte_count>(sizeof(bf16)), 5,
              scale);
  }

  rank_phases run(schedule const& steps, plan const& p, rank_id r, K& kernel,
                  workspace_areas const& areas) {
    silent_group group(device_, clock_, r, ranks_);
    told_kernel<K> told(kernel, group);
    token_batch<bf16, std::int32_t, float> const in{{x_.data(), shape_.tokens, shape_.hidden},
                                                    ids(),
                                                    {gates_.data(), shape_.tokens, shape_.choices},
                                                    {out_.data(), shape_.tokens, shape_.hidden}};
    sweep_(q_);
    clock_.start();
    step_.forward(q_, group, told, in, steps, p, areas);
    clock_.mark(&rank_phases::combine);
    finish(q_);
    rank_phases taken;
    clock_.add_to(taken);
    return taken;
  }

  static rank_phases middle(std::vector<rank_phases> const& samples) {
    rank_phases all;
    for (auto const part : {&rank_phases::prepare, &rank_phases::own, &rank_phases::regroup,
                            &rank_phases::native, &rank_phases::lent, &rank_phases::gather,
                            &rank_phases::own_back, &rank_phases::combine}) {
      std::vector<double> list;
      for (rank_phases const& s : samples) list.push_back(s.*part);
      all.*part = median(std::move(list));
    }
    return all;
  }

  cuda::device<>& device_;
  cuda::queue& q_;
  layer_shape shape_;
  std::int32_t ranks_;
  expert_pool<K, Family> pool_;
  std::shared_ptr<typename K::streams_type> streams_;
  device_array<bf16> x_, out_;
  device_array<float> gates_;
  device_array<std::int32_t> ids_;
  mirror<cuda::device<>> counts_;
  cache_sweep sweep_;
  phase_clock clock_;
  device_array<std::byte> memory_;
  execution<silent_group, told_kernel<K>> step_;
};

}  // namespace llep::bench
