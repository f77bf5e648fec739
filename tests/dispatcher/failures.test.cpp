// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <llep/dispatcher.hpp>
#include <new>
#include <stdexcept>
#include <string>

#include "support/random_layer.hpp"
#include "support/stream_device.hpp"

// What goes wrong on one rank after *agree* must still become the same error on all.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;

template <placement Placement, class Body>
void everywhere(Body body) {
  body(emulated::options{emulated::scheduling::concurrent});
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    body(emulated::options{emulated::scheduling::turns, seed});
}

/// Throws in its n-th forward.
template <class Kernel>
class failing_kernel : public Kernel {
 public:
  failing_kernel(Kernel good, int calls_left) : Kernel(std::move(good)), calls_left_(calls_left) {}

  void forward(typename Kernel::device_type::queue& q, std::span<row_group<3> const> groups,
               double const* x, double* y, void* work) {
    if (calls_left_-- == 0) throw std::runtime_error("the kernel broke");
    Kernel::forward(q, groups, x, y, work);
  }

 private:
  int calls_left_;
};

template <placement Placement, class Kernel>
void check_kernel_failure(int calls_before) {
  using device_type = typename Kernel::device_type;
  auto const layer = eight_ranks(60);
  std::vector<double> out(layer.x.size());
  everywhere<Placement>([&](emulated::options const& how) {
    auto const ends = emulated::try_run<Placement>(
        8, [] { return device_type(); },
        [&](auto& group) {
          using group_type = std::remove_reference_t<decltype(group)>;
          Kernel good({layer.hidden, layer.inner}, layer.native(group.rank()));
          failing_kernel<Kernel> kernel(std::move(good), group.rank() == 5 ? calls_before : -1);
          typename device_type::queue q;  // dies first: its work may use all of the above
          dispatcher<least_loaded, group_type, failing_kernel<Kernel>> moe(q, group, layer.owner,
                                                                           least_loaded{1.0, 1});
          for (int i = 0; i < 4; ++i) step(layer, group.rank(), moe, q, kernel, out);
        },
        how);
    for (auto const& text : texts(ends)) CHECK(text == "rank 5: the kernel broke");
  });
}

TEST_CASE("failures: a kernel that throws on one rank is the error of all", "[failures]") {
  check_kernel_failure<placement::segments, swiglu_loops<double>>(0);
  check_kernel_failure<placement::packed, swiglu_loops<double>>(0);
  check_kernel_failure<placement::segments, swiglu_loops<double>>(1);
  check_kernel_failure<placement::packed, swiglu_loops<double>>(3);
}

TEST_CASE("failures: what streams have under way outlives a kernel that throws", "[failures]") {
  using kernel = stream_kernel<swiglu_expert<double>>;
  check_kernel_failure<placement::segments, kernel>(0);
  check_kernel_failure<placement::packed, kernel>(1);
}

/// Has memory for so many bytes in all; or for none once `poor` is set.
class small_device : public host_device {
 public:
  explicit small_device(byte_count budget) : left_(budget) {}
  void* allocate(byte_count bytes) {
    if (bytes > left_) throw std::bad_alloc();
    return host_device::allocate(bytes);
  }

 private:
  byte_count left_;
};

class small_kernel : public swiglu_loops<double> {
 public:
  using device_type = small_device;
  using swiglu_loops<double>::swiglu_loops;
};

TEST_CASE("failures: out of memory for a workspace is agreed on, and the group goes on",
          "[failures]") {
  auto const layer = eight_ranks(60);
  auto small = layer;
  small.tokens = {1, 1, 0, 1, 0, 1, 0, 1};
  std::vector<double> out(layer.x.size());
  std::atomic<int> rank = 0;
  everywhere<placement::segments>([&](emulated::options const& how) {
    rank = 0;
    std::vector<std::string> refused(8);
    auto const ends = emulated::try_run(
        8, [&] { return small_device(rank++ == 3 ? 8000 : 1 << 20); },
        [&](auto& group) {
          using group_type = std::remove_reference_t<decltype(group)>;
          host_device::queue q;
          small_kernel kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
          dispatcher<standard_ep, group_type, small_kernel> moe(q, group, layer.owner);
          try {
            step(layer, group.rank(), moe, q, kernel, out);
          } catch (error const& e) {
            if (e.code() == errc::device) refused[at(group.rank())] = e.what();
          }
          step(small, group.rank(), moe, q, kernel, out);
        },
        how);
    for (auto const& text : texts(ends)) CHECK(text.empty());
    for (auto const& text : refused) {
      CHECK(text == refused[0]);
      CHECK(text.find(" bytes: out of memory") != std::string::npos);
    }
  });
}

/// Plans like standard EP, except on one rank.
struct planner_of_two_minds {
  using planner_concept = planner_tag;
  static constexpr bool needs_counts = false;
  struct memory {};
  enum class fault { none, other_plan, broken_plan, throws, no_memory };

  fault wrong = fault::none;

  void plan(problem const& in, memory& kept, llep::plan& out) const {
    if (wrong == fault::throws) throw std::runtime_error("no plan today");
    if (wrong == fault::no_memory) throw std::bad_alloc();
    standard_ep::memory none;
    standard_ep{}.plan(in, none, out);
    static_cast<void>(kept);
    if (wrong == fault::none) return;
    auto const& last = out.spans.back();
    auto const e = last.expert;
    auto const rows = last.end;
    out.spans.pop_back();
    if (wrong == fault::broken_plan) return;
    rank_id const elsewhere = (in.owner[at(e)] + 1) % in.ranks;
    out.give(in, e, elsewhere, rows);
  }
  // It hides from *agree* what it is up to.
  [[nodiscard]] std::uint64_t digest() const { return 1; }
  [[nodiscard]] std::uint64_t digest(memory const& /*none*/) const { return 0; }
  friend constexpr bool operator==(planner_of_two_minds const&,
                                   planner_of_two_minds const&) = default;
};
static_assert(planner<planner_of_two_minds>);
static_assert(planner_of_two_minds{} == planner_of_two_minds{});

template <class Checks>
std::vector<std::string> run_of_two_minds(planner_of_two_minds::fault wrong,
                                          emulated::options const& how) {
  auto const layer = eight_ranks(60);
  std::vector<double> out(layer.x.size());
  return texts(emulated::try_run<placement::packed>(
      8,
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        host_device::queue q;
        swiglu_loops<double> kernel({layer.hidden, layer.inner}, layer.native(group.rank()));
        planner_of_two_minds const policy{group.rank() == 6 ? wrong
                                                            : planner_of_two_minds::fault::none};
        dispatcher<planner_of_two_minds, group_type, swiglu_loops<double>, global_order, Checks>
            moe(q, group, layer.owner, policy);
        step(layer, group.rank(), moe, q, kernel, out);
        step(layer, group.rank(), moe, q, kernel, out);
      },
      how));
}

TEST_CASE("failures: a planner that plans otherwise on one rank is caught by the digest",
          "[failures]") {
  using fault = planner_of_two_minds::fault;
  everywhere<placement::packed>([](emulated::options const& how) {
    for (auto const& text : run_of_two_minds<checks_collective>(fault::other_plan, how))
      CHECK(text == "rank 6: disagrees with rank 0 on the plan");
    // without the gathered digest the step may go wrong first, but ends on all ranks alike
    auto const cheap = run_of_two_minds<checks_cheap>(fault::other_plan, how);
    for (auto const& text : cheap) {
      CHECK(!text.empty());
      CHECK(text == cheap[0]);
    }
  });
}

TEST_CASE("failures: a planner that breaks the plan, throws or runs out of memory on one rank",
          "[failures]") {
  using fault = planner_of_two_minds::fault;
  everywhere<placement::packed>([](emulated::options const& how) {
    for (auto const& text : run_of_two_minds<checks_cheap>(fault::broken_plan, how))
      CHECK(text == "rank 6: plan: expert 15: rows of the expert are given to nobody");
    for (auto const& text : run_of_two_minds<checks_cheap>(fault::throws, how))
      CHECK(text == "rank 6: no plan today");
    for (auto const& text : run_of_two_minds<checks_cheap>(fault::no_memory, how))
      CHECK(text == "rank 6: out of memory");
  });
}

/// A kernel whose answers are spoilt on rank 5, or on all.
class odd_kernel : public swiglu_loops<double> {
 public:
  enum class fault { none, no_block, negative_work, vast_work, vast_hidden, throwing_digest };

  odd_kernel(random_layer<double> const& layer, rank_id r, fault wrong)
      : swiglu_loops<double>({layer.hidden, layer.inner}, layer.native(r)), wrong_(wrong) {}

  [[nodiscard]] byte_count block_bytes(std::size_t b) const {
    return wrong_ == fault::no_block ? 0 : swiglu_loops<double>::block_bytes(b);
  }
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows) const {
    if (wrong_ == fault::negative_work) return -1;
    if (wrong_ == fault::vast_work) return std::numeric_limits<byte_count>::max();
    return swiglu_loops<double>::work_bytes(rows);
  }
  [[nodiscard]] std::int64_t hidden() const noexcept {
    return wrong_ == fault::vast_hidden ? std::int64_t{1} << 62 : swiglu_loops<double>::hidden();
  }
  [[nodiscard]] std::uint64_t digest() const {
    if (wrong_ == fault::throwing_digest) throw std::runtime_error("no digest today");
    return swiglu_loops<double>::digest();
  }

 private:
  fault wrong_;
};

/// What each rank says of a spoilt step; if the group stays usable, a good step follows.
std::vector<std::string> odd_step(odd_kernel::fault wrong, bool goes_on) {
  auto const layer = eight_ranks(60);
  std::vector<double> out(layer.x.size());
  std::vector<std::string> said(8);
  auto const ends = emulated::try_run(8, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    host_device::queue q;
    auto const r = group.rank();
    odd_kernel good(layer, r, odd_kernel::fault::none);
    odd_kernel odd(layer, r, r == 5 ? wrong : odd_kernel::fault::none);
    dispatcher<least_loaded, group_type, odd_kernel> moe(q, group, layer.owner,
                                                         least_loaded{1.0, 1});
    try {
      step(layer, r, moe, q, odd, out);
    } catch (error const& e) {
      said[at(r)] = e.what();
    }
    if (goes_on) step(layer, r, moe, q, good, out);
  });
  for (auto const& text : texts(ends)) CHECK(text.empty());
  if (goes_on) CHECK(out == layer.dense());
  return said;
}

TEST_CASE("failures: a kernel that answers nonsense is refused, not believed", "[failures]") {
  using fault = odd_kernel::fault;
  for (auto const& text : odd_step(fault::no_block, true))
    CHECK(text == "rank 5: kernel: block_bytes(0) must be from 1 to 2^56");
  for (auto const& text : odd_step(fault::vast_hidden, true))
    CHECK(text == "rank 5: kernel: hidden() must be from 1 to 2^53");
  for (auto const& text : odd_step(fault::throwing_digest, true))
    CHECK(text == "rank 5: no digest today");
  for (auto const wrong : {fault::negative_work, fault::vast_work})
    for (auto const& text : odd_step(wrong, false))
      CHECK(text == "rank 5: workspace: an area must have from 0 to 2^56 bytes");
}

TEST_CASE("failures: a plan that differs is told in its own step, also after another error",
          "[failures]") {
  auto const layer = eight_ranks(60);
  std::vector<double> out(layer.x.size());
  for (bool const bad_id_first : {false, true}) {
    std::vector<std::string> told(8);
    auto const ends = emulated::try_run<placement::packed>(8, [&](auto& group) {
      using group_type = std::remove_reference_t<decltype(group)>;
      using fault = planner_of_two_minds::fault;
      auto const r = group.rank();
      host_device::queue q;
      swiglu_loops<double> kernel({layer.hidden, layer.inner}, layer.native(r));
      dispatcher<planner_of_two_minds, group_type, swiglu_loops<double>, global_order,
                 checks_collective>
          moe(q, group, layer.owner, {r == 6 ? fault::other_plan : fault::none});
      auto bad = layer;
      if (bad_id_first && r == 1) bad.ids.assign(bad.ids.size(), -1);
      for (int i = 0; i < 2; ++i) {
        try {
          step(i == 0 ? bad : layer, r, moe, q, kernel, out);
        } catch (error const& e) {
          told[at(r)] += std::to_string(static_cast<int>(e.code()));
        }
      }
    });
    for (auto const& text : texts(ends)) CHECK(text.empty());
    // each step plans anew, and differs anew; a refused step leaves nothing behind for the next
    for (auto const& text : told) CHECK(text == (bad_id_first ? "13" : "33"));
  }
}

}  // namespace
