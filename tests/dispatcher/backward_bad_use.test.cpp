// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <limits>
#include <llep/dispatcher.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/random_gradients.hpp"

// One rank is wrong about a backward step; every rank must throw the same error, naming it, and
// nobody may hang. Where nothing was sent group and record must work afterwards.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using emulated::scheduling;

using real = double;

constexpr rank_id culprit = 2;

random_layer<real> four_ranks() {
  random_layer<real> layer;
  layer.ranks = 4;
  layer.experts = 6;
  layer.choices = 2;
  layer.tokens = {5, 0, 7, 3};
  layer.owner = contiguous_owners(6, 4);
  std::mt19937_64 random(1);
  fill(layer, random);
  return layer;
}

std::vector<emulated::options> some_schedulings() {
  std::vector<emulated::options> all{{scheduling::concurrent}};
  for (std::uint64_t seed = 0; seed < 5; ++seed) all.push_back({scheduling::turns, seed});
  return all;
}

/// What a rank passes to `backward`, for a test to spoil.
template <class Kernel>
struct call {
  Kernel* kernel;
  training_record<typename Kernel::device_type, real>* record;
  matrix_ref<real const> grad_out;
  matrix_ref<real> grad_hidden;
  matrix_ref<real> grad_gates;
};

/// One rank, ready to go back.
template <class Group, class Kernel = swiglu_loops<real>>
struct trainer {
  using record_type = training_record<typename Kernel::device_type, real>;

  random_layer<real> const& layer;
  std::vector<real> const& grad_out;
  gradients<real>& result;
  Group& group;
  token_range mine = all_tokens(layer, group.rank());
  host_device::queue q{};
  Kernel kernel = training_kernel<Kernel>(layer, group.rank(), result.weights);
  dispatcher<least_loaded, Group, Kernel> moe{q, group, layer.owner,
                                              least_loaded{.alpha = 1.0, .min_chunk_rows = 1}};
  record_type record = forward();

  [[nodiscard]] bool wrong() const { return group.rank() == culprit; }
  record_type forward(training const& how = {}) {
    return train(layer, mine, moe, q, kernel, result, how);
  }
  call<Kernel> good_call() {
    return {&kernel, &record, rows_of(grad_out, mine, layer.hidden),
            rows_of<real>(result.hidden, mine, layer.hidden),
            rows_of<real>(result.gates, mine, layer.choices)};
  }
  void backward(call<Kernel> const& c) {
    moe.backward(q, *c.kernel, *c.record, c.grad_out, c.grad_hidden, c.grad_gates);
  }
};

std::string describe(error const& e) {
  return std::to_string(static_cast<int>(e.code())) + " " + e.what();
}

/// Every rank goes forward, does `bad`, which must throw `text` on each, and then goes back with
/// the record it had: the right gradients must come of it.
template <class Bad>
void refused(std::string const& text, Bad bad) {
  CAPTURE(text);
  auto const layer = four_ranks();
  auto const grad_out = random_grad_out(layer, 1);
  for (auto const& how : some_schedulings()) {
    gradients<real> result(layer);
    std::vector<std::string> told(4);
    auto const ends = emulated::try_run<placement::packed>(
        4,
        [&](auto& group) {
          using group_type = std::remove_reference_t<decltype(group)>;
          trainer<group_type> t{layer, grad_out, result, group};
          auto const good = t.good_call();
          try {
            bad(t, good);
          } catch (error const& e) {
            told[at(group.rank())] = describe(e);
          }
          t.backward(good);
        },
        how);
    for (auto const& end : texts(ends)) CHECK(end.empty());
    for (auto const& of : told) CHECK(of == text);
    CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<real>);
  }
}

/// As above, with a backward call that one rank spoils.
template <class Spoil>
void spoilt(std::string const& text, Spoil spoil) {
  refused(text, [&](auto& t, auto c) {
    if (t.wrong()) spoil(c);
    t.backward(c);
  });
}

constexpr char const* is_empty = "record: is empty: used before, or never filled";
constexpr char const* of_another = "record: is of another dispatcher";

TEST_CASE("bad use: backward of an empty record, on one rank or all", "[backward]") {
  training_record<host_device, real> none;
  spoilt(std::string("1 rank 2: ") + is_empty, [&](auto& c) { c.record = &none; });
  refused(std::string("1 rank 0: ") + is_empty, [](auto& t, auto c) {
    training_record<host_device, real> mine;
    c.record = &mine;
    t.backward(c);
  });
}

TEST_CASE("bad use: backward twice of one record, on one rank or all", "[backward]") {
  auto const twice = [](auto& t, auto c, bool all) {
    gradients<real> ignored(t.layer);
    auto kernel = training_kernel<swiglu_loops<real>>(t.layer, t.group.rank(), ignored.weights);
    auto one = t.forward();
    auto two = t.forward();
    c.kernel = &kernel;
    c.record = &one;
    t.backward(c);
    if (!all && !t.wrong()) c.record = &two;
    t.backward(c);
  };
  refused(std::string("1 rank 2: ") + is_empty,
          [&](auto& t, auto const& c) { twice(t, c, false); });
  refused(std::string("1 rank 0: ") + is_empty, [&](auto& t, auto const& c) { twice(t, c, true); });
}

TEST_CASE("bad use: a record of another dispatcher, on one rank or all", "[backward]") {
  auto const other = [](auto& t, auto c, bool all) {
    std::remove_reference_t<decltype(t)> elsewhere{t.layer, t.grad_out, t.result, t.group};
    if (all || t.wrong()) c.record = &elsewhere.record;
    t.backward(c);
  };
  refused(std::string("1 rank 2: ") + of_another,
          [&](auto& t, auto const& c) { other(t, c, false); });
  refused(std::string("1 rank 0: ") + of_another,
          [&](auto& t, auto const& c) { other(t, c, true); });
}

TEST_CASE("bad use: a record of a group of another size", "[backward]") {
  auto one = four_ranks();
  one.ranks = 1;
  one.tokens = {one.all_tokens()};
  one.owner.assign(6, 0);
  auto const grad_out = random_grad_out(one, 1);
  gradients<real> result(one);
  refused(std::string("1 rank 0: ") + of_another, [&](auto& t, auto c) {
    training_record<host_device, real> old;
    if (t.group.rank() == 0)
      emulated::run(1, [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        old = std::move(trainer<group_type>{one, grad_out, result, group}.record);
      });
    if (t.group.rank() == 0) c.record = &old;
    t.backward(c);
  });
}

TEST_CASE("bad use: gradients of the wrong shape", "[backward]") {
  auto const check = [](std::string const& text, auto spoil) {
    spoilt("1 rank 2: " + text, spoil);
  };
  check("grad_out: is 6 x 5, must be 7 x 5", [](auto& c) { c.grad_out.rows = 6; });
  check("grad_out: is 7 x 4, must be 7 x 5", [](auto& c) { c.grad_out.cols = 4; });
  check("grad_out: stride 4 is below its 5 columns", [](auto& c) { c.grad_out.stride = 4; });
  check("grad_out: data is null", [](auto& c) { c.grad_out.data = nullptr; });
  check("grad_hidden: is 8 x 5, must be 7 x 5", [](auto& c) { c.grad_hidden.rows = 8; });
  check("grad_hidden: is 7 x 0, must be 7 x 5", [](auto& c) { c.grad_hidden.cols = 0; });
  check("grad_hidden: stride -5 is below its 5 columns",
        [](auto& c) { c.grad_hidden.stride = -5; });
  check("grad_hidden: stride 9223372036854775807 is above 2^53",
        [](auto& c) { c.grad_hidden.stride = std::numeric_limits<std::int64_t>::max(); });
  check("grad_hidden: data is null", [](auto& c) { c.grad_hidden.data = nullptr; });
  check("grad_gates: is -1 x 2, must be 7 x 2", [](auto& c) { c.grad_gates.rows = -1; });
  check("grad_gates: is 7 x 3, must be 7 x 2", [](auto& c) { c.grad_gates.cols = 3; });
  check("grad_gates: stride 1 is below its 2 columns", [](auto& c) { c.grad_gates.stride = 1; });
  check("grad_gates: data is null", [](auto& c) { c.grad_gates.data = nullptr; });
}

TEST_CASE("bad use: gradients that are written over what is still needed", "[backward]") {
  auto const check = [](std::string const& text, auto spoil) {
    spoilt("1 rank 2: " + text, spoil);
  };
  // ranks that share a list have their tokens side by side in it, which is no overlap
  check("grad_gates: overlaps grad_out",
        [](auto& c) { c.grad_out = {c.grad_gates.data, c.grad_out.rows, c.grad_out.cols}; });
  check("grad_hidden: overlaps grad_gates",
        [](auto& c) { c.grad_gates.data = c.grad_hidden.data + 7 * 5 - 1; });
  check("grad_hidden: overlaps gates", [](auto& c) {
    auto const gates = detail::record_access::gates(*c.record);
    c.grad_hidden.data = const_cast<real*>(gates.data);  // refused, so never written
  });
}

TEST_CASE("bad use: a kernel of other sizes than the step's, on one rank or all", "[backward]") {
  auto const with = [](std::int64_t hidden, std::int64_t inner, bool all) {
    return [=](auto& t, auto c) {
      auto const r = t.group.rank();
      swiglu_loops<real> other({hidden, inner}, t.layer.native(r),
                               native_grads(t.layer, r, t.result.weights));
      if (all || t.wrong()) c.kernel = &other;
      t.backward(c);
    };
  };
  refused("1 rank 2: kernel: isn't like the one of the record", with(5, 2, false));
  refused("1 rank 0: kernel: isn't like the one of the record", with(5, 2, true));
  refused("1 rank 2: kernel: isn't like the one of the record", with(4, 3, false));
}

TEST_CASE("bad use: an owned expert without a place for its gradient", "[backward]") {
  refused("1 rank 2: kernel: owned expert 4 has a gradient that is null", [](auto& t, auto c) {
    auto const r = t.group.rank();
    auto grads = native_grads(t.layer, r, t.result.weights);
    grads[4][2] = nullptr;
    swiglu_loops<real> odd({t.layer.hidden, t.layer.inner}, t.layer.native(r), grads);
    c.kernel = &odd;
    t.backward(c);
  });
  refused("1 rank 0: kernel: owned expert 0 has a gradient that is null", [](auto& t, auto c) {
    swiglu_loops<real> untrained({t.layer.hidden, t.layer.inner}, t.layer.native(t.group.rank()));
    c.kernel = &untrained;
    t.backward(c);
  });
}

TEST_CASE("bad use: an owned expert whose weights are gone", "[backward]") {
  refused("1 rank 2: kernel: owned expert 4 has a block of weights that is null",
          [](auto& t, auto c) {
            auto const r = t.group.rank();
            auto weights = t.layer.native(r);
            weights[4][0] = nullptr;
            swiglu_loops<real> odd({t.layer.hidden, t.layer.inner}, weights,
                                   native_grads(t.layer, r, t.result.weights));
            c.kernel = &odd;
            t.backward(c);
          });
}

TEST_CASE("bad use: records in another order on one rank", "[backward]") {
  refused("2 rank 2: disagrees with rank 0 on the call that the record is of: 2, there 1",
          [](auto& t, auto c) {
            auto second = t.forward();
            if (t.wrong()) c.record = &second;
            t.backward(c);
          });
}

TEST_CASE("bad use: a record that keeps other things on one rank", "[backward]") {
  for (auto const& odd : all_trainings()) {
    if (odd == training{}) continue;
    refused("2 rank 2: disagrees with rank 0 on what a record keeps", [&](auto& t, auto const&) {
      auto const none = t.forward(t.wrong() ? odd : training{});
      expects(none.empty(), "never reached");
    });
  }
}

TEST_CASE("bad use: training on one rank, inference on the others", "[backward]") {
  refused("2 rank 2: disagrees with rank 0 on the call: forward with a record, there forward",
          [](auto& t, auto const&) {
            std::vector<real> ignored(t.layer.x.size());
            if (t.wrong())
              static_cast<void>(t.forward());
            else
              step(t.layer, t.group.rank(), t.moe, t.q, t.kernel, ignored);
          });
}

TEST_CASE("bad use: a forward step that fails leaves no record", "[backward]") {
  refused("1 rank 2: ids: token 3, choice 1 names expert 6, not one of 0 to 5",
          [](auto& t, auto const&) {
            auto spoilt_layer = t.layer;
            if (t.wrong()) spoilt_layer.ids[at((t.mine.first + 3) * 2 + 1)] = 6;
            training_record<host_device, real> none;
            try {
              none = train(spoilt_layer, t.mine, t.moe, t.q, t.kernel, t.result, {});
            } catch (error const&) {
              expects(none.empty(), "no record came out of it");
              throw;
            }
          });
}

TEST_CASE("bad use: forward on one rank and backward on the others", "[backward]") {
  std::string const call = "2 rank 2: disagrees with rank 0 on the call: ";
  refused(call + "forward with a record, there backward", [](auto& t, auto const& c) {
    if (t.wrong())
      static_cast<void>(t.forward());
    else
      t.backward(c);
  });
  refused(call + "backward, there forward", [](auto& t, auto const& c) {
    std::vector<real> ignored(t.layer.x.size());
    if (t.wrong())
      t.backward(c);
    else
      step(t.layer, t.group.rank(), t.moe, t.q, t.kernel, ignored);
  });
}

}  // namespace
