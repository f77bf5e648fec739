// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <llep/dispatcher.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/routing/softmax_top_k.hpp>
#include <llep/shape.hpp>

#include "dense.hpp"
#include "parameters.hpp"
#include "text.hpp"
#include "training_run.hpp"

namespace llep::train {

// One rank's copy of the model:
//
//   h = sum over j of mix[j] x embed[byte j before]
//   for each layer: u = norm(h); h = h + MoE(u) with gates from a softmax over the top K of u R
//   logits = norm(h) out
//
// Everything but the experts is replicated; a rank holds its own experts' weights only.

/// One MoE layer with its router.
template <class T, class Kernel>
struct moe_layer {
  std::size_t gain = 0;          // of the norm, [H]; in the replicated parameters
  std::size_t router = 0;        // [H][E]
  parameters<T> experts;         // gate, up and down of each expert of this rank
  std::optional<Kernel> kernel;  // made when `experts` stay where they are

  // of the current step
  std::vector<T> h, u, logits, gates, y;
  std::vector<std::int32_t> ids;
  training_record<host_device, T> record;
};

template <class T, class Kernel, class Group>
class language_model {
 public:
  using dispatcher_type = dispatcher<tool::any_planner, Group, Kernel>;

  language_model(setup const& how, Group& group, tool::any_planner const& planner)
      : how_(how),
        owner_(contiguous_owners(how.experts, group.size())),
        moe_(q_, group, owner_, planner) {
    std::mt19937_64 random(how.seed);
    auto const deviation = [](std::int64_t fan_in) {
      return static_cast<T>(1 / std::sqrt(static_cast<double>(fan_in)));
    };
    table_ = all_.add(symbols * how.hidden, 0, 1, random);
    mix_ = all_.add(how.window * how.hidden, 0, deviation(how.window), random);
    gain_ = all_.add(how.hidden, 1, 0, random);
    out_ = all_.add(how.hidden * symbols, 0, deviation(how.hidden), random);
    for (std::int64_t l = 0; l < how.layers; ++l) {
      moe_layer<T, Kernel>& layer = layers_.emplace_back();
      layer.gain = all_.add(how.hidden, 1, 0, random);
      layer.router = all_.add(how.hidden * how.experts, 0, deviation(how.hidden), random);
      add_experts(layer, l, group.rank());
    }
  }

  /// The replicated numbers; their gradients are of this rank's tokens alone.
  [[nodiscard]] parameters<T>& replicated() { return all_; }
  [[nodiscard]] dispatcher_type const& moe() const { return moe_; }
  [[nodiscard]] Kernel const& kernel() const { return *layers_.front().kernel; }

  /// Sums up the loss of this rank's tokens and adds all gradients, divided by `all_tokens`.
  /// @param planned is called after each layer's forward
  template <class F>
  double learn(batch const& in, std::int64_t all_tokens, F planned) {
    tokens_ = std::ssize(in.next);
    h_.assign(elements(how_.hidden), T{0});
    embed(in.context, in.window, all_.value(table_), all_.value(mix_), rows(h_, how_.hidden));
    for (auto& layer : layers_) {
      forward(layer);
      planned();
    }
    auto gh = std::vector<T>(h_.size(), T{0});
    double const loss = tell(in, all_tokens, gh);
    for (std::size_t l = layers_.size(); l-- > 0;) backward(layers_[l], gh);
    embed_back(in.context, in.window, all_.value(table_), all_.value(mix_), seen(gh, how_.hidden),
               all_.gradient(table_), all_.gradient(mix_));
    return loss;
  }

  void update(std::int64_t step) {
    all_.update(step, how_.rate);
    for (auto& layer : layers_) layer.experts.update(step, how_.rate);
  }

 private:
  static constexpr std::int64_t symbols = 256;

  [[nodiscard]] std::size_t elements(std::int64_t cols) const {
    return static_cast<std::size_t>(tokens_ * cols);
  }
  template <class N>
  [[nodiscard]] matrix_ref<N> rows(std::vector<N>& all, std::int64_t cols) const {
    return {all.data(), tokens_, cols};
  }
  template <class N>
  [[nodiscard]] matrix_ref<N const> seen(std::vector<N> const& all, std::int64_t cols) const {
    return {all.data(), tokens_, cols};
  }

  // An expert's numbers hang on its own seed, so that they don't on who owns it.
  void add_experts(moe_layer<T, Kernel>& layer, std::int64_t number, rank_id me) {
    std::vector<typename Kernel::weight_blocks> weights(owner_.size());
    std::vector<typename Kernel::gradient_blocks> gradients(owner_.size());
    std::int64_t const block = how_.hidden * how_.inner;
    auto const deviation = static_cast<T>(1 / std::sqrt(static_cast<double>(how_.hidden)));
    std::vector<std::size_t> first;  // of each own expert
    for (std::size_t e = 0; e < owner_.size(); ++e) {
      if (owner_[e] != me) continue;
      std::mt19937_64 random(how_.seed + 1000 * static_cast<std::uint64_t>(number + 1) + e);
      first.push_back(layer.experts.add(3 * block, 0, deviation, random));
    }
    auto next = first.begin();  // weights stay where they are from here on
    for (std::size_t e = 0; e < owner_.size(); ++e) {
      if (owner_[e] != me) continue;
      std::size_t const mine = *next++;
      for (std::size_t b = 0; b < 3; ++b) {
        std::size_t const at = mine + b * static_cast<std::size_t>(block);
        weights[e][b] = layer.experts.value(at);
        gradients[e][b] = layer.experts.gradient(at);
      }
    }
    layer.kernel.emplace(swiglu_expert<T>{how_.hidden, how_.inner}, std::move(weights),
                         std::move(gradients));
  }

  void forward(moe_layer<T, Kernel>& layer) {
    layer.h = h_;
    layer.u.resize(elements(how_.hidden));
    layer.y.resize(elements(how_.hidden));
    layer.logits.resize(elements(how_.experts));
    layer.ids.resize(elements(how_.choices));
    layer.gates.resize(elements(how_.choices));
    auto const u = rows(layer.u, how_.hidden);
    normalise(seen(layer.h, how_.hidden), all_.value(layer.gain), u);
    multiply<T>(u, all_.value(layer.router), rows(layer.logits, how_.experts));
    route_.forward(seen(layer.logits, how_.experts), rows(layer.ids, how_.choices),
                   rows(layer.gates, how_.choices));
    layer.record =
        moe_.forward(q_, *layer.kernel, matrix_ref<T const>(u), seen(layer.ids, how_.choices),
                     seen(layer.gates, how_.choices), rows(layer.y, how_.hidden), how_.keep);
    for (std::size_t i = 0; i < h_.size(); ++i) h_[i] += layer.y[i];
  }

  // gh, by the layer's output, becomes that by its input.
  void backward(moe_layer<T, Kernel>& layer, std::vector<T>& gh) {
    std::vector<T> gu(gh.size());
    std::vector<T> g_gates(layer.gates.size());
    std::vector<T> g_logits(layer.logits.size());
    moe_.backward(q_, *layer.kernel, layer.record, seen(gh, how_.hidden), rows(gu, how_.hidden),
                  rows(g_gates, how_.choices));
    route_.backward(seen(layer.logits, how_.experts), seen(layer.ids, how_.choices),
                    seen(g_gates, how_.choices), rows(g_logits, how_.experts));
    multiply_back<T>(seen(layer.u, how_.hidden), all_.value(layer.router),
                     seen(g_logits, how_.experts), rows(gu, how_.hidden),
                     all_.gradient(layer.router));
    normalise_back<T>(seen(layer.h, how_.hidden), all_.value(layer.gain), seen(gu, how_.hidden),
                      rows(gh, how_.hidden), all_.gradient(layer.gain));
  }

  double tell(batch const& in, std::int64_t all_tokens, std::vector<T>& gh) {
    std::vector<T> v(h_.size());
    std::vector<T> gv(h_.size(), T{0});
    std::vector<T> z(elements(symbols));
    normalise<T>(seen(h_, how_.hidden), all_.value(gain_), rows(v, how_.hidden));
    multiply<T>(seen(v, how_.hidden), all_.value(out_), rows(z, symbols));
    double const loss = cross_entropy(rows(z, symbols), in.next, all_tokens);
    multiply_back<T>(seen(v, how_.hidden), all_.value(out_), seen(z, symbols),
                     rows(gv, how_.hidden), all_.gradient(out_));
    normalise_back<T>(seen(h_, how_.hidden), all_.value(gain_), seen(gv, how_.hidden),
                      rows(gh, how_.hidden), all_.gradient(gain_));
    return loss;
  }

  setup how_;
  host_device::queue q_;
  std::vector<rank_id> owner_;
  dispatcher_type moe_;
  softmax_top_k route_{};
  parameters<T> all_;
  std::size_t table_ = 0, mix_ = 0, gain_ = 0, out_ = 0;
  std::vector<moe_layer<T, Kernel>> layers_;
  std::int64_t tokens_ = 0;
  std::vector<T> h_;
};

}  // namespace llep::train
