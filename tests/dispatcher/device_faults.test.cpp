// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/dispatcher.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/random_layer.hpp"
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
  void pack(A&&... a) {
    trip(), Base::pack(std::forward<A>(a)...);
  }
  template <class... A>
  void move_rows(A&&... a) {
    trip(), Base::move_rows(std::forward<A>(a)...);
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
template <class Kernel>
bool survives(std::int64_t n, random_layer<double> const& layer, emulated::options const& how) {
  using kernel_type = on_faulty<Kernel>;
  using device_type = typename kernel_type::device_type;
  std::vector<double> out(layer.x.size());
  std::atomic<int> made = 0;
  auto const all = texts(emulated::try_run<emulated::placement::packed>(
      layer.ranks, [&] { return device_type(made++ == 0 ? n : -1); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        kernel_type kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
        typename device_type::queue q;
        dispatcher<least_loaded, group_type, kernel_type> moe(q, group, layer.owner,
                                                              least_loaded{1.0, 1});
        for (int i = 0; i < 2; ++i) step(layer, group.rank(), moe, q, kernel, out);
      },
      how));
  std::string cause;
  for (auto const& text : all)
    if (!text.empty()) cause = text;
  for (auto const& text : all) CHECK((text.empty() || text == cause));  // one may have finished
  CHECK((cause.empty() || cause.find("injected") != std::string::npos));
  return cause.empty();
}

template <class Kernel>
void check_every_call() {
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
    while (!survives<Kernel>(n, layer, how)) ++n;
    CHECK(n > 30);  // construct and two steps: as many faults were tried
  }
}

TEST_CASE("device faults: whichever call fails, all ranks end with one error", "[failures]") {
  check_every_call<swiglu_loops<double>>();
}

TEST_CASE("device faults: so it is with streams", "[failures]") {
  check_every_call<stream_kernel<swiglu_expert<double>>>();
}

}  // namespace
