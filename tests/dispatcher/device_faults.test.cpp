// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/dispatcher.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/random_gradients.hpp"
#include "support/sanitizers.hpp"
#include "support/stream_device.hpp"

// The n-th call of one rank's device throws, for every n: every rank must end, with one text.

namespace {

using namespace llep;
using namespace llep::testing;

template <class Base>
class faulty : public Base {
 public:
  explicit faulty(std::int64_t calls_left)
      : calls_left_(std::make_unique<std::int64_t>(calls_left)) {}

  typename Base::queue make_queue() { return trip(), Base::make_queue(); }
  typename Base::event make_event() { return trip(), Base::make_event(); }
  void* allocate(byte_count bytes) { return trip(), Base::allocate(bytes); }
  void* allocate_staging(byte_count bytes) { return trip(), Base::allocate_staging(bytes); }
  template <class... A>
  void copy(A&&... a) {
    trip(), Base::copy(std::forward<A>(a)...);
  }
  template <class... A>
  void record(A&&... a) {
    trip(), Base::record(std::forward<A>(a)...);
  }
  template <class... A>
  void wait(A&&... a) {
    trip(), Base::wait(std::forward<A>(a)...);
  }
  template <class... A>
  void sync(A&&... a) {
    trip(), Base::sync(std::forward<A>(a)...);
  }
  template <class... A>
  void pack(A&&... a) {
    trip(), Base::pack(std::forward<A>(a)...);
  }
  template <class... A>
  void move_rows(A&&... a) {
    trip(), Base::move_rows(std::forward<A>(a)...);
  }
  template <class... A>
  void zero(A&&... a) {
    trip(), Base::zero(std::forward<A>(a)...);
  }
  template <class... A>
  void accumulate(A&&... a) {
    trip(), Base::accumulate(std::forward<A>(a)...);
  }
  template <class... A>
  void pack_scaled(A&&... a) {
    trip(), Base::pack_scaled(std::forward<A>(a)...);
  }
  template <class... A>
  void sum(A&&... a) {
    trip(), Base::sum(std::forward<A>(a)...);
  }
  template <class... A>
  void gate_gradient(A&&... a) {
    trip(), Base::gate_gradient(std::forward<A>(a)...);
  }

 private:
  void trip() {
    if ((*calls_left_)-- == 0) throw std::runtime_error("injected");
  }
  std::unique_ptr<std::int64_t> calls_left_;
};

template <class Kernel>
class on_faulty : public Kernel {
 public:
  using device_type = faulty<typename Kernel::device_type>;
  using Kernel::Kernel;
};

/// True if the n-th call was never made.
template <class Kernel, class Steps>
bool survives(std::int64_t n, random_layer<double> const& layer, emulated::options const& how,
              Steps steps) {
  using kernel_type = on_faulty<Kernel>;
  using device_type = typename kernel_type::device_type;
  gradients<double> result(layer);
  std::atomic<int> made = 0;
  auto const all = texts(emulated::try_run<emulated::placement::packed>(
      layer.ranks, [&] { return device_type(made++ == 0 ? n : -1); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
        typename device_type::queue q;
        dispatcher<least_loaded, group_type, kernel_type> moe(q, group, layer.owner,
                                                              least_loaded{1.0, 1});
        steps(layer, group.rank(), moe, q, kernel, result);
      },
      how));
  std::string cause;
  for (auto const& text : all)
    if (!text.empty()) cause = text;
  for (auto const& text : all) CHECK((text.empty() || text == cause));  // one may have finished
  CHECK((cause.empty() || cause.find("injected") != std::string::npos));
  return cause.empty();
}

/// `steps`: what a rank does; with the calls of the constructor they are more than `at_least`.
template <class Kernel, class Steps>
void check_every_call(std::int64_t at_least, Steps steps) {
  random_layer<double> layer;
  layer.ranks = 3;
  layer.experts = 5;
  layer.choices = 2;
  layer.tokens = {9, 0, 6};
  layer.owner = {0, 0, 0, 0, 2};
  std::mt19937_64 random(2);
  fill(layer, random);
  for (auto const& how : {emulated::options{emulated::scheduling::concurrent},
                          emulated::options{emulated::scheduling::turns, 5}}) {
    std::int64_t n = 0;
    while (!survives<Kernel>(n, layer, how, steps)) n += sanitized ? 5 : 1;
    CHECK(n > at_least);  // as many faults were tried
  }
}

constexpr auto infer = [](auto const& layer, rank_id r, auto& moe, auto& q, auto& kernel,
                          auto& result) {
  for (int i = 0; i < 2; ++i) step(layer, r, moe, q, kernel, result.out);
};

constexpr auto train_and_go_back = [](auto const& layer, rank_id r, auto& moe, auto& q,
                                      auto& kernel, auto& result) {
  auto const mine = all_tokens(layer, r);
  auto const& grad_out = layer.x;  // any numbers
  for (auto const& keep : {training{}, training{true, true, true}}) {
    auto record = train(layer, mine, moe, q, kernel, result, keep);
    go_back(layer, mine, moe, q, kernel, record, grad_out, result);
  }
};

TEST_CASE("device faults: whichever call fails, all ranks end with one error", "[failures]") {
  check_every_call<swiglu_loops<double>>(30, infer);
}

TEST_CASE("device faults: so it is with streams", "[failures]") {
  check_every_call<stream_kernel<swiglu_expert<double>>>(30, infer);
}

TEST_CASE("device faults: so it is in training", "[failures][backward]") {
  check_every_call<swiglu_loops<double>>(60, train_and_go_back);
}

TEST_CASE("device faults: so it is in training with streams", "[failures][backward]") {
  check_every_call<stream_kernel<swiglu_expert<double>>>(60, train_and_go_back);
}

}  // namespace
