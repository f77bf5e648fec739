// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/adaptor/counting.hpp>

#include "support/random_layer.hpp"

namespace llep::testing {

// What a step must send, from the ids, the plan and its pieces alone.

/// [P][P][2]: from a rank, to a rank, on a lane.
using traffic_table = std::vector<std::vector<std::array<traffic, 2>>>;

inline traffic_table operator+(traffic_table all, traffic_table const& more) {
  for (std::size_t a = 0; a < all.size(); ++a)
    for (std::size_t b = 0; b < all.size(); ++b)
      for (std::size_t on = 0; on < 2; ++on) all[a][b][on] += more[a][b][on];
  return all;
}

template <class T>
struct predicted_traffic {
  random_layer<T> const& layer;
  bool segments;
  std::vector<row_count> counts, load;
  plan made;
  std::vector<piece> pieces;

  template <class Policy, class Order>
  predicted_traffic(random_layer<T> const& of, bool places_segments, Policy const& policy,
                    Order order)
      : layer(of),
        segments(places_segments),
        counts(at(of.ranks * of.experts), 0),
        load(at(of.experts), 0) {
    for (rank_id r = 0; r < layer.ranks; ++r)
      for (std::int64_t i = 0; i < layer.tokens[at(r)] * layer.choices; ++i) {
        auto const e = layer.ids[at(layer.first_token(r) * layer.choices + i)];
        ++counts[at(r * layer.experts + e)];
        ++load[at(e)];
      }
    problem const in{layer.ranks, layer.owner, load, counts};
    typename Policy::memory memory;
    policy.plan(in, memory, made);
    typename Order::memory scratch;
    order.arrange(in, made, scratch, pieces);
  }

  [[nodiscard]] traffic_table nothing() const {
    auto const ranks = at(layer.ranks);
    return traffic_table(ranks, std::vector<std::array<traffic, 2>>(ranks));
  }
  /// Every row that isn't computed where it is held, once; `back`: to where it came from.
  [[nodiscard]] traffic_table rows(bool back) const {
    auto all = nothing();
    for (piece const& p : pieces) {
      if (p.src == p.dst) continue;
      traffic& way = back ? all[at(p.dst)][at(p.src)][0] : all[at(p.src)][at(p.dst)][0];
      way.messages = segments ? way.messages + 1 : 1;
      way.bytes += p.rows * layer.hidden * static_cast<byte_count>(sizeof(T));
    }
    return all;
  }
  /// Three blocks of an expert for every move; `back`: their gradients.
  [[nodiscard]] traffic_table experts(bool back) const {
    auto all = nothing();
    for (weight_move const& m : made.moves) {
      traffic& way = back ? all[at(m.to)][at(m.from)][1] : all[at(m.from)][at(m.to)][1];
      way += {3, 3 * layer.hidden * layer.inner * static_cast<byte_count>(sizeof(T))};
    }
    return all;
  }
  [[nodiscard]] traffic_table forward() const { return rows(false) + rows(true) + experts(false); }
  [[nodiscard]] traffic_table backward(training const& how) const {
    auto all = rows(false) + rows(true) + experts(true);
    if (how.lend_again) all = all + experts(false);
    if (how.resend_outputs) all = all + rows(true);
    return all;
  }
};

}  // namespace llep::testing
