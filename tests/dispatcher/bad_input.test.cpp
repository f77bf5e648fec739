// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <llep/dispatcher.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/random_layer.hpp"

// One rank is wrong; every rank must throw the same error, naming it, and nobody may hang. Where
// nothing was sent the group must work afterwards.

namespace {

using namespace llep;
using namespace llep::testing;

constexpr rank_id culprit = 2;

random_layer<float> four_ranks() {
  random_layer<float> layer;
  layer.ranks = 4;
  layer.experts = 6;
  layer.choices = 2;
  layer.tokens = {5, 0, 7, 3};
  layer.owner = contiguous_owners(6, 4);
  std::mt19937_64 random(1);
  fill(layer, random);
  return layer;
}

/// What one rank passes to a step, for a test to spoil.
struct call {
  matrix_ref<float const> hidden;
  matrix_ref<std::int32_t const> ids;
  matrix_ref<float const> gates;
  matrix_ref<float> out;
  swiglu_loops<float> kernel;
};

template <class Group>
using moe_of = dispatcher<least_loaded, Group, swiglu_loops<float>>;

call good_call(random_layer<float> const& layer, rank_id r, std::vector<float>& out) {
  auto const first = layer.first_token(r);
  auto const n = layer.tokens[at(r)];
  return {{layer.x.data() + first * layer.hidden, n, layer.hidden},
          {layer.ids.data() + first * layer.choices, n, layer.choices},
          {layer.gates.data() + first * layer.choices, n, layer.choices},
          {out.data() + first * layer.hidden, n, layer.hidden},
          swiglu_loops<float>({layer.hidden, layer.inner}, layer.native(r))};
}

/// Runs a good, a spoilt and a good step; returns what each rank threw in the second. The last one
/// must give the right result again.
std::vector<std::optional<error>> spoil(std::function<void(call&)> const& change) {
  auto const layer = four_ranks();
  std::vector<float> out(layer.x.size());
  std::vector<std::optional<error>> thrown(4);
  emulated::run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    moe_of<group_type> moe(q, group, layer.owner, least_loaded{1.0, 1});
    auto const go = [&](call c) { moe.forward(q, c.kernel, c.hidden, c.ids, c.gates, c.out); };
    go(good_call(layer, group.rank(), out));
    auto bad = good_call(layer, group.rank(), out);
    if (group.rank() == culprit) change(bad);
    try {
      go(bad);
    } catch (error const& e) {
      thrown[at(group.rank())] = e;
    }
    go(good_call(layer, group.rank(), out));
  });
  CHECK(out == layer.dense());
  return thrown;
}

void require_same(std::vector<std::optional<error>> const& thrown, errc code,
                  std::string const& text) {
  for (auto const& e : thrown) {
    REQUIRE(e.has_value());
    CHECK(e->code() == code);
    CHECK(e->what() == text);
    CHECK(e->rank() == culprit);
  }
}

TEST_CASE("bad input: an id out of range is named by rank, token and choice", "[bad-input]") {
  std::vector<std::int32_t> ids(14, 1);
  ids[7] = 6;
  ids[9] = -3;
  require_same(spoil([&](call& c) { c.ids.data = ids.data(); }), errc::invalid_argument,
               "rank 2: ids: token 3, choice 1 names expert 6, not one of 0 to 5");
}

TEST_CASE("bad input: a negative id is named", "[bad-input]") {
  std::vector<std::int32_t> ids(14, 1);
  ids[0] = std::numeric_limits<std::int32_t>::min();
  require_same(spoil([&](call& c) { c.ids.data = ids.data(); }), errc::invalid_argument,
               "rank 2: ids: token 0, choice 0 names expert -2147483648, not one of 0 to 5");
}

TEST_CASE("bad input: sizes that don't fit each other", "[bad-input]") {
  auto const check = [](std::function<void(call&)> const& change, std::string const& text) {
    CAPTURE(text);
    require_same(spoil(change), errc::invalid_argument, "rank 2: " + text);
  };
  check([](call& c) { c.ids.rows = 6; }, "ids: is 6 x 2, must be 7 x 2");
  check([](call& c) { c.gates.cols = 1; }, "gates: is 7 x 1, must be 7 x 2");
  check([](call& c) { c.out.rows = 8; }, "out: is 8 x 5, must be 7 x 5");
  check([](call& c) { c.out.cols = 4; }, "out: is 7 x 4, must be 7 x 5");
  check([](call& c) { c.hidden.cols = 6; }, "hidden: is 7 x 6, must be 7 x 5");
  check([](call& c) { c.hidden.rows = -1; }, "hidden: has a negative number of rows");
  check([](call& c) { c.gates.stride = 1; }, "gates: stride 1 is below its 2 columns");
  check([](call& c) { c.ids.cols = c.gates.cols = 0; }, "ids: needs at least one column");
}

TEST_CASE("bad input: a null pointer is told before it is followed", "[bad-input]") {
  require_same(spoil([](call& c) { c.hidden.data = nullptr; }), errc::invalid_argument,
               "rank 2: hidden: data is null");
  require_same(spoil([](call& c) { c.ids.data = nullptr; }), errc::invalid_argument,
               "rank 2: ids: data is null");
}

TEST_CASE("bad input: an output that is written over ids or gates", "[bad-input]") {
  require_same(spoil([](call& c) { c.gates.data = c.out.data + 7 * 5 - 1; }),
               errc::invalid_argument, "rank 2: out: overlaps gates");
  require_same(
      spoil([](call& c) { c.ids.data = reinterpret_cast<std::int32_t const*>(c.out.data); }),
      errc::invalid_argument, "rank 2: out: overlaps ids");
}

TEST_CASE("bad input: an owned expert without weights is told before it is lent", "[bad-input]") {
  auto const layer = four_ranks();
  auto native = layer.native(culprit);
  native[4][1] = nullptr;
  require_same(
      spoil([&](call& c) { c.kernel = swiglu_loops<float>({layer.hidden, layer.inner}, native); }),
      errc::invalid_argument, "rank 2: kernel: owned expert 4 has a block of weights that is null");
}

TEST_CASE("bad input: 2^31 rows on a rank are refused", "[bad-input]") {
  require_same(spoil([](call& c) {
                 c.hidden.rows = c.ids.rows = c.gates.rows = c.out.rows = std::int64_t{1} << 30;
               }),
               errc::invalid_argument,
               "rank 2: T x K = 1073741824 x 2 rows on one rank; the limit is 2^31 - 1");
}

TEST_CASE("bad input: K that differs between ranks", "[bad-input]") {
  require_same(spoil([](call& c) { c.ids.cols = c.gates.cols = 1; }), errc::disagreement,
               "rank 2: disagrees with rank 0 on the experts per token K: 1, there 2");
}

TEST_CASE("bad input: H that differs between ranks", "[bad-input]") {
  auto const layer = four_ranks();
  require_same(spoil([&](call& c) {
                 c.kernel = swiglu_loops<float>({layer.hidden - 1, layer.inner}, layer.native(2));
                 c.hidden.cols = c.out.cols = layer.hidden - 1;
               }),
               errc::disagreement,
               "rank 2: disagrees with rank 0 on the hidden size H: 4, there 5");
}

TEST_CASE("bad input: F that differs between ranks", "[bad-input]") {
  auto const layer = four_ranks();
  require_same(
      spoil([&](call& c) {
        c.kernel = swiglu_loops<float>({layer.hidden, layer.inner - 1}, layer.native(2));
      }),
      errc::disagreement,
      "rank 2: disagrees with rank 0 on the kernel: family, sizes, parameters or element type");
}

TEST_CASE("bad input: of several wrong ranks the lowest is named", "[bad-input]") {
  auto const layer = four_ranks();
  std::vector<float> out(layer.x.size());
  auto const ends = emulated::try_run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    moe_of<group_type> moe(q, group, layer.owner);
    auto c = good_call(layer, group.rank(), out);
    if (group.rank() >= 2) c.hidden.data = nullptr;
    moe.forward(q, c.kernel, c.hidden, c.ids, c.gates, c.out);
  });
  for (auto const& text : texts(ends)) CHECK(text == "rank 2: hidden: data is null");
}

/// Makes a dispatcher on each of 4 ranks from what `policy` and `owner` say; returns the texts.
template <class Policy, class Order = global_order, class Checks = checks_cheap>
std::vector<std::string> construct(std::function<Policy(rank_id)> const& policy,
                                   std::function<std::vector<rank_id>(rank_id)> const& owner) {
  return texts(emulated::try_run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    dispatcher<Policy, group_type, swiglu_loops<float>, Order, Checks> const moe(
        q, group, owner(group.rank()), policy(group.rank()));
  }));
}

std::vector<rank_id> six(rank_id /*rank*/) { return contiguous_owners(6, 4); }

TEST_CASE("bad input: policies that differ between ranks are told before the first step",
          "[bad-input]") {
  auto const check = [](std::function<least_loaded(rank_id)> const& policy) {
    for (auto const& text : construct<least_loaded>(policy, six))
      CHECK(text == "rank 2: disagrees with rank 0 on the planner or one of its options");
  };
  auto const with = [](least_loaded odd) {
    return [odd](rank_id r) { return r == culprit ? odd : least_loaded{}; };
  };
  check(with({.alpha = 1.000001}));
  check(with({.min_chunk_rows = 1023}));
  check(with({.rules = lla_rules::paper}));
  check(with({.keep_small_excess_home = true}));
}

TEST_CASE("bad input: thresholds that differ between ranks", "[bad-input]") {
  using policy = fallback<standard_ep>;
  for (auto const& text : construct<policy>(
           [](rank_id r) { return policy{.uneven = {.threshold = r == culprit ? 1.5 : 1.3}}; },
           six))
    CHECK(text == "rank 2: disagrees with rank 0 on the planner or one of its options");
}

TEST_CASE("bad input: owners that differ between ranks", "[bad-input]") {
  for (auto const& text : construct<least_loaded>([](rank_id) { return least_loaded{}; },
                                                  [](rank_id r) {
                                                    auto list = six(r);
                                                    if (r == culprit) std::swap(list[0], list[5]);
                                                    return list;
                                                  }))
    CHECK(text == "rank 2: disagrees with rank 0 on the owners of the experts");
  for (auto const& text : construct<least_loaded>(
           [](rank_id) { return least_loaded{}; },
           [](rank_id r) { return contiguous_owners(r == culprit ? 7 : 6, 4); }))
    CHECK(text == "rank 2: disagrees with rank 0 on the number of experts E: 7, there 6");
}

/// A good step on each of 4 ranks, then `elsewhere` on one of them while the others step again;
/// returns what each rank throws.
template <class Elsewhere>
std::vector<std::string> out_of_step(Elsewhere elsewhere) {
  auto const layer = four_ranks();
  std::vector<float> out(layer.x.size());
  return texts(emulated::try_run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    moe_of<group_type> moe(q, group, layer.owner);
    moe_of<group_type> other(q, group, contiguous_owners(5, 4));
    auto const step_with = [&](moe_of<group_type>& with) {
      auto c = good_call(layer, group.rank(), out);
      with.forward(q, c.kernel, c.hidden, c.ids, c.gates, c.out);
    };
    step_with(moe);
    if (group.rank() == culprit) elsewhere(q, group, step_with, other);
    step_with(moe);
  }));
}

TEST_CASE("bad input: calls of dispatchers of different E are the transport's error, on all ranks",
          "[bad-input]") {
  auto const check = [](std::vector<std::string> const& thrown) {
    for (auto const& text : thrown) {
      CHECK(text == thrown[0]);
      CHECK(text.find("bytes in all_gather #") != std::string::npos);
    }
  };
  check(out_of_step([](auto&, auto&, auto const& step, auto& other) { step(other); }));
  check(out_of_step([](auto& q, auto& group, auto const&, auto&) {
    using group_type = std::remove_reference_t<decltype(group)>;
    moe_of<group_type> const late(q, group, contiguous_owners(6, 4));
  }));
}

TEST_CASE("bad input: after a refused step problem and plan are still of the step before",
          "[bad-input]") {
  auto const layer = four_ranks();
  std::vector<float> out(layer.x.size());
  std::vector<std::vector<row_count>> loads(4);
  std::vector<row_count> planned(4, 0);
  emulated::run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    moe_of<group_type> moe(q, group, layer.owner);
    auto c = good_call(layer, group.rank(), out);
    auto const go = [&] { moe.forward(q, c.kernel, c.hidden, c.ids, c.gates, c.out); };
    go();
    std::vector<std::int32_t> const others(at(c.ids.rows * 2), group.rank() == culprit ? 6 : 5);
    c.ids.data = others.data();
    try {
      go();
    } catch (error const&) {
      auto const in = moe.last_problem();
      loads[at(group.rank())].assign(in.load.begin(), in.load.end());
      for (row_span const& s : moe.last_plan().spans) planned[at(group.rank())] += s.end - s.begin;
    }
  });
  std::vector<row_count> expected(6, 0);
  for (auto const id : layer.ids) ++expected[at(id)];
  for (auto const& load : loads) CHECK(load == expected);
  for (row_count const rows : planned) CHECK(rows == std::ssize(layer.ids));
}

TEST_CASE("bad input: owners that are no ranks, or no owners at all", "[bad-input]") {
  auto const policy = [](rank_id) { return least_loaded{}; };
  for (auto const& text : construct<least_loaded>(policy, [](rank_id r) {
         auto list = six(r);
         if (r == culprit) list[3] = 4;
         return list;
       }))
    CHECK(text == "rank 2: owner: expert 3 belongs to rank 4 of 4");
  for (auto const& text : construct<least_loaded>(
           policy, [](rank_id r) { return r == culprit ? std::vector<rank_id>{} : six(r); }))
    CHECK(text == "rank 2: owner: needs at least one expert");
}

TEST_CASE("bad input: row orders and levels of checks that differ", "[bad-input]") {
  auto const layer = four_ranks();
  auto const mixed = [&]<class Order, class Checks>(Order, Checks) {
    return texts(emulated::try_run(4, [&](auto& group) {
      using group_type = std::remove_reference_t<decltype(group)>;
      host_device::queue q;
      if (group.rank() == culprit)
        dispatcher<standard_ep, group_type, swiglu_loops<float>, Order, Checks>(q, group,
                                                                                layer.owner);
      else
        dispatcher<standard_ep, group_type, swiglu_loops<float>>(q, group, layer.owner);
    }));
  };
  for (auto const& text : mixed(local_first{}, checks_cheap{}))
    CHECK(text == "rank 2: disagrees with rank 0 on the row order");
  for (auto const& text : mixed(global_order{}, checks_off{}))
    CHECK(text == "rank 2: disagrees with rank 0 on the level of checks");
}

TEST_CASE("bad input: a knob that makes no sense on one rank ends all of them", "[bad-input]") {
  auto const check = [](std::function<least_loaded()> const& odd, std::string const& text) {
    for (auto const& got : construct<least_loaded>(
             [&](rank_id r) { return r == culprit ? odd() : least_loaded{}; }, six))
      CHECK(got.find(text) != std::string::npos);
  };
  check([] { return least_loaded{.alpha = std::nan("")}; },
        "capacity_factor (alpha) must be finite and greater than 0");
  check([] { return least_loaded{.alpha = std::numeric_limits<double>::infinity()}; },
        "capacity_factor (alpha) must be finite and greater than 0");
  check([] { return least_loaded{.min_chunk_rows = -1}; },
        "min_chunk_rows (m) must not be negative");
  using policy = fallback<standard_ep>;
  for (auto const& got : construct<policy>(
           [](rank_id r) { return policy{.uneven = {.threshold = r == culprit ? 0.99 : 1.3}}; },
           six))
    CHECK(got.find("imbalance_threshold (lambda) must be finite and at least 1") !=
          std::string::npos);
}

/// Tells which matrices it was asked about.
struct asked_device : host_device {
  std::vector<std::string>* names;
  void check_memory(void const*, std::size_t, std::string_view name) const {
    names->emplace_back(name);
  }
};
static_assert(checks_memory<asked_device>);

TEST_CASE("bad input: a device that tells memory is asked about every matrix that has rows",
          "[dispatcher]") {
  std::vector<std::string> names;
  asked_device const device{{}, &names};
  float x = 0;
  std::int32_t id = 0;
  matrix_ref<float> const m(&x, 1, 1);
  detail::check_reach(device, token_batch<float, std::int32_t, float>{m, {&id, 1, 1}, m, m});
  CHECK(names == std::vector<std::string>{"hidden", "ids", "gates", "out"});
  names.clear();
  detail::check_reach(device, gradient_batch<float, float>{m, m, m, m});
  CHECK(names == std::vector<std::string>{"grad_out", "gates", "grad_hidden", "grad_gates"});
  names.clear();
  detail::check_reach(device, gradient_batch<float, float>{});
  CHECK(names.empty());
}

}  // namespace
