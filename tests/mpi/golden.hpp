// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <llep/backends/mpi/communicator.hpp>

#include "support/golden_gradients.hpp"

namespace llep::testing {

// Golden layers on real processes. A rank starts from what one emulated rank computes, forgets what
// it is to compute itself, and has to find the same again.

/// Overwrites the tokens' rows of a list.
template <class T>
void forget(golden_tokens const& mine, std::int64_t cols, std::vector<T>& list) {
  auto const rows = mine.of(list.data(), cols);
  std::fill_n(rows.data, rows.rows * cols, static_cast<T>(std::nan("")));
}

/// Overwrites a rank's part of all results.
template <class T, class Family>
void forget(golden_inputs<T> const& in, Family const& family, std::int32_t ranks, rank_id r,
            golden_results<T>& results) {
  golden_tokens const mine(in.data, ranks, r);
  forget(mine, in.data.hidden, results.out);
  forget(mine, in.data.hidden, results.hidden);
  forget(mine, in.data.choices, results.gates);
  auto const each = family.block_elements();
  for (auto const& blocks : results.native(family, r, contiguous_owners(in.data.experts, ranks)))
    for (std::size_t b = 0; b < blocks.size(); ++b)
      if (blocks[b] != nullptr) std::fill_n(blocks[b], each[b], T{0});
}

template <class Kernels, class Group, class Family>
void check_golden_forward(Group& group, tool::layer_case const& c, Family const& family) {
  using T = typename Family::element;
  golden_inputs<T> const in(c);
  auto const every = all_golden_policies();
  auto const reference =
      golden_outputs<Kernels, emulated::placement::packed>(in, family, 1, every.front(), {});
  for (std::size_t p = 0; p < every.size(); ++p) {
    CAPTURE(p);
    auto out = reference;
    forget(golden_tokens(c, group.size(), group.rank()), c.hidden, out);
    run_golden_rank<Kernels>(group, in, family, every[p], out);
    CHECK(out == reference);  // to the bit
    CHECK(golden_error(out, c.array("out")) <= golden_tolerance<T>(c.array("out")));
  }
}

template <class Kernels, class Group, class Family>
void check_golden_backward(Group& group, tool::layer_case const& c, Family const& family,
                           golden_turn& turn) {
  using T = typename Family::element;
  golden_inputs<T> const in(c);
  auto const every = all_golden_policies();
  std::vector<golden_results<T>> reference(1, golden_results<T>(in));
  emulated::run(1, [&](auto& alone) {
    train_golden_rank<Kernels>(alone, in, family, every.front(), {{}}, reference);
  });
  for (std::size_t p = 0; p < every.size(); ++p) {
    auto const ways = some_ways(turn);
    std::vector<golden_results<T>> results(ways.size(), reference[0]);
    for (auto& result : results) forget(in, family, group.size(), group.rank(), result);
    train_golden_rank<Kernels>(group, in, family, every[p], ways, results);
    for (std::size_t i = 0; i < ways.size(); ++i) {
      CAPTURE(p, ways[i].recompute, ways[i].lend_again, ways[i].resend_outputs);
      check_results(results[i], reference[0], c);
    }
  }
}

/// All cases in float and double, under EP and LLEP in both row orders, forward and backward in
/// every way to train.
template <class Kernels>
void check_golden_on_processes() {
  mpi::communicator group(MPI_COMM_WORLD);
  golden_turn turn(golden_stride);
  for_golden_layers([&](tool::layer_case const& c, auto const& family) {
    check_golden_forward<Kernels>(group, c, family);
    check_golden_backward<Kernels>(group, c, family, turn);
  });
}

}  // namespace llep::testing
