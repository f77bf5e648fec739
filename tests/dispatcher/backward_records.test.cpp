// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <deque>
#include <llep/dispatcher.hpp>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "support/random_gradients.hpp"

// Several records alive: of layers and micro-batches, in any order, dropped, moved, outlived.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using emulated::scheduling;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

/// Two layers over the same tokens and experts, of other sizes and weights.
std::array<random_layer<double>, 2> two_layers(std::uint64_t seed) {
  auto one = make_layer<double>(seed);
  one.tokens.assign(at(one.ranks), 0);
  for (rank_id r = 0; r < one.ranks; ++r) one.tokens[at(r)] = (r * 7 + 5) % 13;
  auto two = one;
  two.hidden += 2;
  two.inner += 1;
  two.choices = one.choices % 3 + 1;
  std::mt19937_64 random(seed);
  fill(one, random);
  fill(two, random);
  return {one, two};
}

/// A rank's tokens in three micro-batches, some of them empty.
token_range micro_batch(random_layer<double> const& layer, rank_id r, std::int64_t m) {
  auto const all = all_tokens(layer, r);
  auto const one = all.count / 4;
  std::int64_t const cuts[] = {0, one, std::max(one, all.count * (r % 3) / 2), all.count};
  return {all.first + cuts[m], cuts[m + 1] - cuts[m]};
}

std::vector<std::size_t> any_order(std::size_t n, std::uint64_t seed) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
  return order;
}

TEST_CASE("records: of layers and micro-batches, used in any order, give the union's gradients",
          "[backward]") {
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{cases(40)}));
  CAPTURE(seed);
  auto const layers = two_layers(seed);
  auto const ways = all_trainings();
  std::array const grad_out{random_grad_out(layers[0], seed), random_grad_out(layers[1], seed)};
  std::array results{gradients<double>(layers[0]), gradients<double>(layers[1])};
  auto const order = any_order(6, seed);
  emulated::run<placement::packed>(
      layers[0].ranks,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const r = group.rank();
        host_device::queue q;
        dispatcher<least_loaded, group_type, swiglu_loops<double>, local_first> moe(
            q, group, layers[0].owner, moves_most);
        std::array kernels{training_kernel<swiglu_loops<double>>(layers[0], r, results[0].weights),
                           training_kernel<swiglu_loops<double>>(layers[1], r, results[1].weights)};
        std::vector<training_record<host_device, double>> records;  // moves them as it grows
        for (std::size_t i = 0; i < 6; ++i) {
          auto const l = i % 2;
          records.push_back(train(layers[l], micro_batch(layers[l], r, static_cast<int>(i / 2)),
                                  moe, q, kernels[l], results[l], ways[(i + seed) % 8]));
        }
        for (std::size_t const i : order) {
          auto const l = i % 2;
          std::vector<double> ignored(layers[l].x.size());
          step(layers[l], r, moe, q, kernels[l], ignored);  // inference in between
          auto record = std::move(records[i]);
          go_back(layers[l], micro_batch(layers[l], r, static_cast<int>(i / 2)), moe, q, kernels[l],
                  record, grad_out[l], results[l]);
          expects(record.empty() && records[i].empty(), "a record that was used is empty");
        }
      },
      seed % 2 == 0 ? emulated::options{scheduling::concurrent}
                    : emulated::options{scheduling::turns, seed});
  for (std::size_t l = 0; l < 2; ++l) {
    CAPTURE(l);
    auto const expected = dense_gradients(layers[l], grad_out[l]);
    CHECK(distance(results[l], expected) <= rounding<double>);
    auto const whole = train_layer<placement::segments, global_order>(layers[l], grad_out[l],
                                                                      standard_ep{}, {{}})[0];
    CHECK(results[l].out == whole.out);  // micro-batches change no bit of rows and gates
    CHECK(results[l].hidden == whole.hidden);
    CHECK(results[l].gates == whole.gates);
  }
}

TEST_CASE("records: gradients of weights are added to what is there", "[backward]") {
  auto const layer = two_layers(3)[0];
  auto const grad_out = random_grad_out(layer, 3);
  auto expected = dense_gradients(layer, grad_out);
  gradients<double> result(layer);
  for (std::size_t i = 0; i < result.weights.size(); ++i) {
    result.weights[i] = static_cast<double>(i) / 8;
    expected.weights[i] = 2 * expected.weights[i] + static_cast<long double>(i) / 8;
  }
  emulated::run(layer.ranks, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const mine = all_tokens(layer, group.rank());
    auto kernel = training_kernel<swiglu_loops<double>>(layer, group.rank(), result.weights);
    host_device::queue q;
    dispatcher<spread_everywhere, group_type, swiglu_loops<double>> moe(q, group, layer.owner);
    for (int i = 0; i < 2; ++i) {
      auto record = train(layer, mine, moe, q, kernel, result, {.lend_again = i == 1});
      go_back(layer, mine, moe, q, kernel, record, grad_out, result);
    }
  });
  CHECK(distance(result, expected) <= rounding<double>);
}

/// One rank, one dispatcher and one layer, for what is local.
template <class Body>
void alone(random_layer<double> const& layer, Body body) {
  emulated::run(1, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    dispatcher<standard_ep, group_type, swiglu_loops<double>> moe(q, group, layer.owner);
    body(group, moe, q);
  });
}

random_layer<double> on_one_rank() {
  random_layer<double> layer;
  layer.experts = 3;
  layer.choices = 2;
  layer.tokens = {6};
  layer.owner = {0, 0, 0};
  std::mt19937_64 random(5);
  fill(layer, random);
  return layer;
}

TEST_CASE("records: are moved around, and empty where they were moved from", "[backward]") {
  auto const layer = on_one_rank();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  alone(layer, [&](auto& /*group*/, auto& moe, auto& q) {
    auto kernel = training_kernel<swiglu_loops<double>>(layer, 0, result.weights);
    training_record<host_device, double> none;
    CHECK(none.empty());
    CHECK(none.need().total() == 0);
    auto one = train(layer, all_tokens(layer, 0), moe, q, kernel, result, {});
    CHECK_FALSE(one.empty());
    CHECK(one.need().total() == moe.last_need(0, kernel, training{}).kept.total());
    auto two = std::move(one);
    CHECK(one.empty());  // NOLINT: that is what is tested
    CHECK(one.need().total() == 0);
    CHECK_FALSE(two.empty());
    one = train(layer, all_tokens(layer, 0), moe, q, kernel, result, {});
    std::swap(one, two);
    two = std::move(one);  // drops what it held
    CHECK(one.empty());    // NOLINT
    go_back(layer, all_tokens(layer, 0), moe, q, kernel, two, grad_out, result);
    CHECK(two.empty());
  });
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
}

TEST_CASE("records: one that outlives its dispatcher is harmless, and refused by another",
          "[backward]") {
  auto const layer = on_one_rank();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  alone(layer, [&](auto& group, auto& moe, auto& q) {
    using moe_type = std::remove_reference_t<decltype(moe)>;
    auto kernel = training_kernel<swiglu_loops<double>>(layer, 0, result.weights);
    auto const mine = all_tokens(layer, 0);
    std::optional<moe_type> gone(std::in_place, q, group, layer.owner);
    auto old = train(layer, mine, *gone, q, kernel, result, {});
    auto dropped = train(layer, mine, *gone, q, kernel, result, {});
    gone.reset();
    CHECK_FALSE(old.empty());
    std::deque<moe_type> others;  // one of them may well get memory that was the first one's
    for (int i = 0; i < 50; ++i) {
      others.emplace_back(q, group, layer.owner);
      try {
        go_back(layer, mine, others.back(), q, kernel, old, grad_out, result);
        FAIL_CHECK("nothing was thrown");
      } catch (error const& e) {
        CHECK(e.code() == errc::invalid_argument);
        CHECK(std::string(e.what()) == "rank 0: record: is of another dispatcher");
      }
    }
    auto record = train(layer, mine, moe, q, kernel, result, {});
    go_back(layer, mine, moe, q, kernel, record, grad_out, result);
  });
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
}

TEST_CASE("records: outlive the device, and the dispatcher moves", "[backward]") {
  auto const layer = on_one_rank();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  training_record<host_device, double> kept;
  alone(layer, [&](auto& /*group*/, auto& moe, auto& q) {
    auto kernel = training_kernel<swiglu_loops<double>>(layer, 0, result.weights);
    kept = train(layer, all_tokens(layer, 0), moe, q, kernel, result, {});
    auto record = train(layer, all_tokens(layer, 0), moe, q, kernel, result, {});
    auto elsewhere = std::move(moe);
    go_back(layer, all_tokens(layer, 0), elsewhere, q, kernel, record, grad_out, result);
  });
  CHECK_FALSE(kept.empty());
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
}

// ---- memory -------------------------------------------------------------------------------------

/// Knows how much of its memory is in use, and the most that ever was.
class metered_device : public host_device {
 public:
  void* allocate(byte_count bytes) {
    void* const p = host_device::allocate(bytes);
    sizes_[p] = bytes;
    used_ += bytes;
    most_ = std::max(most_, used_);
    ++allocations_;
    return p;
  }
  void deallocate(void* p) noexcept {
    used_ -= sizes_[p];
    sizes_.erase(p);
    host_device::deallocate(p);
  }
  [[nodiscard]] byte_count used() const { return used_; }
  [[nodiscard]] byte_count most() const { return most_; }
  [[nodiscard]] int allocations() const { return allocations_; }
  void forget_most() { most_ = used_; }

 private:
  std::map<void*, byte_count> sizes_;
  byte_count used_ = 0;
  byte_count most_ = 0;
  int allocations_ = 0;
};

class metered_kernel : public swiglu_loops<double> {
 public:
  using device_type = metered_device;
  using swiglu_loops<double>::swiglu_loops;
};

random_layer<double> four_ranks() {
  random_layer<double> layer;
  layer.ranks = 4;
  layer.experts = 8;
  layer.choices = 4;
  layer.hidden = 32;
  layer.inner = 16;
  layer.tokens = {40, 0, 60, 20};
  layer.owner = contiguous_owners(8, 4);
  std::mt19937_64 random(4);
  fill(layer, random);
  return layer;
}

/// What a rank found while it trained.
struct observed {
  training_need need;
  byte_count before = 0;  // with a dispatcher that has done nothing
  byte_count alive = 0;   // while the record is
  byte_count after = 0;
  byte_count most = 0;
};

template <placement Placement>
std::vector<observed> observe(training const& how) {
  auto const layer = four_ranks();
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  std::vector<observed> seen(4);
  auto const ends = emulated::try_run<Placement>(
      4, [] { return metered_device(); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const r = group.rank();
        auto kernel = training_kernel<metered_kernel>(layer, r, result.weights);
        host_device::queue q;
        dispatcher<least_loaded, group_type, metered_kernel> moe(q, group, layer.owner, moves_most);
        auto const mine = all_tokens(layer, r);
        auto& mark = seen[at(r)];
        mark.before = group.device().used();
        auto record = train(layer, mine, moe, q, kernel, result, how);
        mark.need = moe.last_need(r, kernel, how);
        mark.alive = group.device().used();
        go_back(layer, mine, moe, q, kernel, record, grad_out, result);
        mark.after = group.device().used();
        mark.most = group.device().most();
      });
  for (auto const& text : texts(ends)) CHECK(text.empty());
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
  return seen;
}

TEST_CASE("need: a training step takes from the device what last_need says", "[backward]") {
  constexpr byte_count lists = 16384;  // schedule and announcements besides
  for (auto const& how : all_trainings()) {
    CAPTURE(how.recompute, how.lend_again, how.resend_outputs);
    for (auto const& seen : {observe<placement::segments>(how), observe<placement::packed>(how)})
      for (auto const& [need, before, alive, after, most] : seen) {
        auto const both = std::max(need.forward.total(), need.backward.total());
        CHECK(alive - before >= need.kept.total() + need.forward.total());
        CHECK(alive - before <= need.kept.total() + need.forward.total() + lists);
        CHECK(after - before >= need.kept.total() + both);
        CHECK(after - before <= need.kept.total() + both + lists);
        CHECK(most <= need.kept.total() + both + 2 * lists);  // nothing lives twice meanwhile
      }
  }
}

TEST_CASE("need: each option drops what it is there to drop", "[backward]") {
  std::map<std::uint64_t, std::vector<observed>> seen;
  for (auto const& how : all_trainings()) seen[digest_of(how)] = observe<placement::segments>(how);
  auto const total = [&](training const& how, auto part) {
    byte_count sum = 0;
    for (auto const& by_rank : seen[digest_of(how)]) sum += part(by_rank.need.kept);
    return sum;
  };
  auto const kept = [](workspace_need const& n) { return n.total(); };
  auto const saved = [](workspace_need const& n) { return n.saved; };
  auto const lent = [](workspace_need const& n) { return n.lent; };
  auto const outputs = [](workspace_need const& n) { return n.home + n.rows_out; };
  auto const peak = [&](training const& how) {
    byte_count sum = 0;
    for (auto const& by_rank : seen[digest_of(how)]) sum += by_rank.need.peak();
    return sum;
  };
  for (auto const& how : all_trainings()) {
    CAPTURE(how.recompute, how.lend_again, how.resend_outputs);
    CHECK((total(how, saved) == 0) == how.recompute);
    CHECK((total(how, lent) == 0) == how.lend_again);
    CHECK((total(how, outputs) == 0) == (how.resend_outputs && how.recompute));
    // one more option never keeps more, and keeps less where it is the one to drop something
    if (!how.recompute) {
      auto more = how;
      more.recompute = true;
      CHECK(peak(more) <= peak(how));
      CHECK(total(more, kept) < total(how, kept));
    }
    if (!how.lend_again) {
      auto more = how;
      more.lend_again = true;
      CHECK(peak(more) <= peak(how));
      CHECK(total(more, kept) < total(how, kept));
    }
    if (!how.resend_outputs) {
      auto more = how;
      more.resend_outputs = true;
      CHECK(peak(more) <= peak(how));
      if (how.recompute)
        CHECK(total(more, kept) < total(how, kept));
      else  // outputs stay where they were made, until they travel again
        CHECK(total(more, outputs) == total(how, outputs));
    }
  }
}

/// Wants more scratch forward than backward.
class thirsty_kernel : public swiglu_loops<double> {
 public:
  using swiglu_loops<double>::swiglu_loops;
  static constexpr byte_count scratch = 65536;
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> /*rows*/) const { return scratch; }
};

TEST_CASE("need: outputs that are computed again have the scratch that forward asks for",
          "[backward]") {
  auto const layer = four_ranks();
  gradients<double> result(layer);
  std::vector<training_need> needs(8);
  emulated::run(4, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const r = group.rank();
    auto kernel = training_kernel<thirsty_kernel>(layer, r, result.weights);
    host_device::queue q;
    dispatcher<least_loaded, group_type, thirsty_kernel> moe(q, group, layer.owner, moves_most);
    auto const dropped = train(layer, all_tokens(layer, r), moe, q, kernel, result, training{});
    for (std::size_t i = 0; i < 8 && r == 0; ++i)
      needs[i] = moe.last_need(1, kernel, all_trainings()[i]);
  });
  for (std::size_t i = 0; i < 8; ++i) {
    auto const how = all_trainings()[i];
    CAPTURE(how.recompute, how.lend_again, how.resend_outputs);
    CHECK(needs[i].forward.work == thirsty_kernel::scratch);
    CHECK((needs[i].backward.work >= thirsty_kernel::scratch) ==
          (how.recompute && how.resend_outputs));
  }
}

TEST_CASE("need: what a dropped record held is used again", "[backward]") {
  auto const layer = four_ranks();
  gradients<double> result(layer);
  std::vector<std::vector<byte_count>> used(4);
  auto const ends = emulated::try_run(
      4, [] { return metered_device(); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const r = group.rank();
        auto kernel = training_kernel<metered_kernel>(layer, r, result.weights);
        host_device::queue q;
        dispatcher<least_loaded, group_type, metered_kernel> moe(q, group, layer.owner, moves_most);
        for (int i = 0; i < 5; ++i) {
          auto const dropped =
              train(layer, all_tokens(layer, r), moe, q, kernel, result, training{});
          used[at(r)].push_back(group.device().used());
        }
      });
  for (auto const& text : texts(ends)) CHECK(text.empty());
  for (auto const& of : used) CHECK(of == std::vector<byte_count>(5, of[0]));
}

}  // namespace
