// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>

#include "tool/layer_case.hpp"
#include "tool/policies.hpp"

namespace llep::testing {

// Golden layers, forward, through everything that may not change a bit of them. `Kernels` says by
// which kernel and on which device, whose memory the host reaches: Kernels::kernel<Family> and
// Kernels::make_device(), which a rank's thread calls.

inline std::vector<std::string> golden_layer_files() {
  std::vector<std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator(LLEP_TEST_DATA_DIR "/moe_layer"))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

/// The inputs of a case as T, with what every rank looks at.
template <class T>
struct golden_inputs {
  tool::layer_case const& data;
  std::vector<T> hidden, gates;
  std::vector<std::int32_t> ids;
  std::vector<std::vector<T>> weights;  // by block

  explicit golden_inputs(tool::layer_case const& c)
      : data(c),
        hidden(c.values<T>("hidden")),
        gates(c.values<T>("weights")),
        ids(c.values<std::int32_t>("indices")) {
    for (auto const& name : c.weight_names()) weights.push_back(c.values<T>(name));
  }

  /// The blocks of a rank's own experts; null for all others.
  template <class Family>
  [[nodiscard]] std::vector<std::array<T const*, Family::blocks>> native(
      Family const& family, rank_id r, std::vector<rank_id> const& owner) const {
    auto const each = family.block_elements();
    std::vector<std::array<T const*, Family::blocks>> list(owner.size());
    for (std::size_t e = 0; e < owner.size(); ++e)
      for (std::size_t b = 0; b < Family::blocks && owner[e] == r; ++b)
        list[e][b] = weights[b].data() + static_cast<std::int64_t>(e) * each[b];
    return list;
  }
};

/// Chosen at run time, so that there is one dispatcher a kernel to compile.
struct golden_policies {
  tool::any_planner planner;
  tool::any_row_order order;
};

/// EP and LLEP in both row orders.
inline std::vector<golden_policies> all_golden_policies() {
  tool::any_planner const ep{standard_ep{}};
  tool::any_planner const llep{least_loaded{.alpha = 1.0, .min_chunk_rows = 1}};
  tool::any_row_order const global{global_order{}};
  tool::any_row_order const local{local_first{}};
  return {{ep, global}, {ep, local}, {llep, global}, {llep, local}};
}

/// The consecutive tokens that a rank holds.
struct golden_tokens {
  std::int64_t first = 0;
  std::int64_t count = 0;

  golden_tokens(tool::layer_case const& c, std::int32_t ranks, rank_id r) {
    auto const split = c.tokens_per_rank(ranks);
    for (rank_id p = 0; p < r; ++p) first += split[static_cast<std::size_t>(p)];
    count = split[static_cast<std::size_t>(r)];
  }

  /// Their rows in a list of all tokens, with `cols` numbers each.
  template <class T>
  [[nodiscard]] matrix_ref<T> of(T* list, std::int64_t cols) const {
    return {list + first * cols, count, cols};
  }
};

/// One rank's part: sets its tokens' rows of `out`.
template <class Kernels, class T, class Family, class Group>
void run_golden_rank(Group& group, golden_inputs<T> const& in, Family const& family,
                     golden_policies const& policies, std::vector<T>& out) {
  using kernel_type = typename Kernels::template kernel<Family>;
  auto const& c = in.data;
  auto const owner = contiguous_owners(c.experts, group.size());
  golden_tokens const mine(c, group.size(), group.rank());
  auto q = group.device().make_queue();
  kernel_type kernel(family, in.native(family, group.rank(), owner));
  dispatcher<tool::any_planner, Group, kernel_type, tool::any_row_order> moe(
      q, group, owner, policies.planner, policies.order);
  moe.forward(q, kernel, mine.of(in.hidden.data(), c.hidden), mine.of(in.ids.data(), c.choices),
              mine.of(in.gates.data(), c.choices), mine.of(out.data(), c.hidden));
}

template <class Kernels, emulated::placement Placement, class T, class Family>
std::vector<T> golden_outputs(golden_inputs<T> const& in, Family const& family, std::int32_t ranks,
                              golden_policies const& policies, emulated::options const& how) {
  std::vector<T> out(in.hidden.size(), std::nan(""));
  emulated::run<Placement>(
      ranks, Kernels::make_device,
      [&](auto& group) { run_golden_rank<Kernels>(group, in, family, policies, out); }, how);
  return out;
}

/// FORMAT: largest difference over largest expected magnitude.
template <class T>
double golden_error(std::vector<T> const& got, tool::case_array const& expected) {
  double difference = 0;
  double largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    auto const gap = std::abs(static_cast<double>(got[i]) - expected.values[i]);
    difference = std::isnan(gap) ? 1e300 : std::max(difference, gap);
    largest = std::max(largest, std::abs(expected.values[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

template <class T>
double golden_tolerance(tool::case_array const& expected) {
  if constexpr (std::is_same_v<T, float>)
    return 5e-6;
  else
    return expected.type == tool::element::f64 ? 1e-12 : 2e-7;
}

template <class Kernels, class Family>
void check_golden_family(tool::layer_case const& c, Family const& family) {
  using T = typename Family::element;
  using emulated::placement;
  using emulated::scheduling;
  golden_inputs<T> const in(c);
  auto const every = all_golden_policies();
  auto const reference =
      golden_outputs<Kernels, placement::segments>(in, family, 1, every.front(), {});
  auto const& expected = c.array("out");
  REQUIRE(reference.size() == expected.values.size());
  CHECK(golden_error(reference, expected) <= golden_tolerance<T>(expected));
  for (std::int32_t const ranks : {1, 2, 4, 8}) {
    for (auto const& how :
         {emulated::options{scheduling::concurrent}, emulated::options{scheduling::turns, 11}}) {
      for (std::size_t i = 0; i < every.size(); ++i) {
        CAPTURE(ranks, how.seed, i);
        auto const run = [&]<placement Placement>() {
          return golden_outputs<Kernels, Placement>(in, family, ranks, every[i], how);
        };
        CHECK(run.template operator()<placement::segments>() == reference);
        CHECK(run.template operator()<placement::packed>() == reference);
      }
    }
  }
}

/// Calls check(case, family) with every case's family of experts, in float and in double.
template <class Check>
void for_golden_layers(Check check) {
  auto const files = golden_layer_files();
  REQUIRE(files.size() == 25);
  auto const in = [&]<class T>(tool::layer_case const& c, T /*element*/) {
    if (c.activation == tool::layer_case::family::gptoss)
      check(c, gptoss_expert<T>{c.hidden, c.inner, c.alpha, c.limit});
    else
      check(c, swiglu_expert<T>{c.hidden, c.inner});
  };
  for (auto const& file : files) {
    CAPTURE(file);
    auto const c = tool::read_layer_case(file);
    in(c, float{});
    in(c, double{});
  }
}

/// All cases in float and double: within tolerance, and bit-identical for all P, EP and LLEP, row
/// orders, placements and schedulings.
template <class Kernels>
void check_golden_layers() {
  for_golden_layers([](tool::layer_case const& c, auto const& family) {
    check_golden_family<Kernels>(c, family);
  });
}

}  // namespace llep::testing
