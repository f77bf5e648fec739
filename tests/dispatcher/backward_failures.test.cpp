// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <llep/dispatcher.hpp>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "support/random_gradients.hpp"
#include "support/stream_device.hpp"

// What goes wrong on one rank in a training step must become the same error on all.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;
using emulated::scheduling;

constexpr rank_id culprit = 5;

template <class Body>
void everywhere(Body body) {
  body(emulated::options{scheduling::concurrent});
  for (std::uint64_t seed = 0; seed < cases(10); ++seed)
    body(emulated::options{scheduling::turns, seed});
}

/// Throws in its n-th backward.
template <class Kernel>
class failing_kernel : public Kernel {
 public:
  failing_kernel(Kernel good, int calls_left) : Kernel(std::move(good)), calls_left_(calls_left) {}

  void backward(typename Kernel::device_type::queue& q, std::span<gradient_group<3> const> groups,
                double const* x, void const* saved, double const* gy, double* gx, void* work) {
    if (calls_left_-- == 0) throw std::runtime_error("the kernel broke");
    Kernel::backward(q, groups, x, saved, gy, gx, work);
  }

 private:
  int calls_left_;
};

template <placement Placement, class Kernel>
void check_kernel_failure(int calls_before, training const& keep) {
  using device_type = typename Kernel::device_type;
  auto const layer = eight_ranks(30);
  auto const grad_out = random_grad_out(layer, 1);
  everywhere([&](emulated::options const& how) {
    gradients<double> result(layer);
    auto const ends = emulated::try_run<Placement>(
        8, [] { return device_type(); },
        [&](auto& group) {
          using group_type = std::remove_reference_t<decltype(group)>;
          auto const r = group.rank();
          failing_kernel<Kernel> kernel(training_kernel<Kernel>(layer, r, result.weights),
                                        r == culprit ? calls_before : -1);
          typename device_type::queue q;  // dies first: its work may use all of the above
          dispatcher<spread_everywhere, group_type, failing_kernel<Kernel>> moe(q, group,
                                                                                layer.owner);
          auto const mine = all_tokens(layer, r);
          for (int i = 0; i < 3; ++i) {
            auto record = train(layer, mine, moe, q, kernel, result, keep);
            go_back(layer, mine, moe, q, kernel, record, grad_out, result);
          }
        },
        how);
    for (auto const& text : texts(ends)) CHECK(text == "rank 5: the kernel broke");
  });
}

TEST_CASE("failures: a kernel that throws going back on one rank is the error of all",
          "[failures][backward]") {
  check_kernel_failure<placement::segments, swiglu_loops<double>>(0, {});
  check_kernel_failure<placement::packed, swiglu_loops<double>>(1, {.lend_again = true});
  check_kernel_failure<placement::packed, swiglu_loops<double>>(3, {true, true, true});
}

TEST_CASE("failures: what streams have under way outlives a kernel that throws going back",
          "[failures][backward]") {
  using kernel = stream_kernel<swiglu_expert<double>>;
  check_kernel_failure<placement::segments, kernel>(0, {});
  check_kernel_failure<placement::packed, kernel>(1, {true, true, true});
}

// ---- memory -------------------------------------------------------------------------------------

/// Has no further memory while `*poor`.
class poor_device : public host_device {
 public:
  explicit poor_device(std::shared_ptr<bool> poor) : poor_(std::move(poor)) {}
  void* allocate(byte_count bytes) {
    if (*poor_) throw std::bad_alloc();
    return host_device::allocate(bytes);
  }

 private:
  std::shared_ptr<bool> poor_;
};

class poor_kernel : public swiglu_loops<double> {
 public:
  using device_type = poor_device;
  using swiglu_loops<double>::swiglu_loops;
};

/// Runs `body` while `poor` is set, and keeps what a rank is told of it.
template <class Group, class Body>
void try_poor(Group& group, bool& poor, std::string& told, Body body) {
  host_device::queue q;
  std::int64_t word = 0;
  std::int64_t all[8];
  if (group.rank() == 0) poor = true;
  group.all_gather(q, &word, all, 1);
  try {
    body();
  } catch (error const& e) {
    if (e.code() == errc::device) told = e.what();
  }
  group.all_gather(q, &word, all, 1);
  if (group.rank() == 0) poor = false;
  group.all_gather(q, &word, all, 1);
}

// Every rank was told the same.
void check_told(std::vector<std::string> const& told) {
  for (auto const& text : told) {
    CHECK(text == told[0]);
    CHECK(text.find(" bytes: out of memory") != std::string::npos);
  }
}

/// A training step; one rank is without memory in the first try of `poor_forward`, or else
/// backward.
void check_out_of_memory(bool poor_forward, training const& keep, emulated::options const& how) {
  auto const layer = eight_ranks(30);
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  // in the order in which devices are made, of any rank
  std::vector<std::shared_ptr<bool>> poor(8);
  for (auto& p : poor) p = std::make_shared<bool>(false);
  std::vector<std::string> told(8);
  std::atomic<std::size_t> made = 0;
  auto const ends = emulated::try_run(
      8, [&] { return poor_device(poor[made++]); },
      [&](auto& group) {
        using group_type = std::remove_reference_t<decltype(group)>;
        auto const r = group.rank();
        host_device::queue q;
        auto kernel = training_kernel<poor_kernel>(layer, r, result.weights);
        dispatcher<spread_everywhere, group_type, poor_kernel> moe(q, group, layer.owner);
        auto const mine = all_tokens(layer, r);
        auto const tried = [&](auto body) { try_poor(group, *poor[3], told[at(r)], body); };
        training_record<poor_device, double> record;
        auto const forward = [&] { record = train(layer, mine, moe, q, kernel, result, keep); };
        auto const backward = [&] {
          go_back(layer, mine, moe, q, kernel, record, grad_out, result);
        };
        {  // lists and announcements get their memory
          auto const small = train(layer, {mine.first, 1}, moe, q, kernel, result, keep);
        }
        if (poor_forward) tried(forward);
        expects(record.empty(), "a step that failed leaves no record");
        forward();
        if (!poor_forward) tried(backward);
        expects(!record.empty(), "the record is as it was");
        backward();
      },
      how);
  for (auto const& text : texts(ends)) CHECK(text.empty());
  check_told(told);
  CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
}

TEST_CASE("failures: out of memory for a training step is agreed on, and the group goes on",
          "[failures][backward]") {
  everywhere([](emulated::options const& how) {
    for (bool const poor_forward : {true, false})
      for (auto const& keep : {training{}, training{true, true, true}})
        check_out_of_memory(poor_forward, keep, how);
  });
}

// ---- a kernel's answers -------------------------------------------------------------------------

/// A kernel whose answers are spoilt.
class odd_kernel : public swiglu_loops<double> {
 public:
  enum class fault {
    none,
    no_elements,
    vast_elements,
    throwing_elements,
    throwing_grad,
    negative_saved,
    negative_work,
    vast_work
  };

  odd_kernel(swiglu_loops<double> good, fault wrong)
      : swiglu_loops<double>(std::move(good)), wrong_(wrong) {}

  [[nodiscard]] std::int64_t grad_elements(std::size_t b) const {
    if (wrong_ == fault::no_elements) return 0;
    if (wrong_ == fault::vast_elements) return std::numeric_limits<std::int64_t>::max() / 2;
    if (wrong_ == fault::throwing_elements) throw std::runtime_error("no elements today");
    return swiglu_loops<double>::grad_elements(b);
  }
  [[nodiscard]] std::array<void*, 3> native_grad(expert_id e) const {
    if (wrong_ == fault::throwing_grad) throw std::runtime_error("no gradient today");
    return swiglu_loops<double>::native_grad(e);
  }
  [[nodiscard]] byte_count saved_row_bytes() const {
    return wrong_ == fault::negative_saved ? -1 : swiglu_loops<double>::saved_row_bytes();
  }
  [[nodiscard]] byte_count backward_work_bytes(std::span<row_count const> rows) const {
    if (wrong_ == fault::negative_work) return -1;
    if (wrong_ == fault::vast_work) return std::numeric_limits<byte_count>::max();
    return swiglu_loops<double>::backward_work_bytes(rows);
  }

 private:
  fault wrong_;
};

/// What each rank says of a step that is spoilt forward or only backward. If the group stays
/// usable, a good step follows.
std::vector<std::string> odd_step(odd_kernel::fault wrong, bool forward, bool goes_on) {
  auto const layer = eight_ranks(30);
  auto const grad_out = random_grad_out(layer, 1);
  gradients<double> result(layer);
  std::vector<std::string> said(8);
  auto const ends = emulated::try_run(8, [&](auto& group) {
    using group_type = std::remove_reference_t<decltype(group)>;
    auto const r = group.rank();
    host_device::queue q;
    auto const loops = training_kernel<swiglu_loops<double>>(layer, r, result.weights);
    odd_kernel good(loops, odd_kernel::fault::none);
    odd_kernel odd(loops, r == culprit ? wrong : odd_kernel::fault::none);
    dispatcher<spread_everywhere, group_type, odd_kernel> moe(q, group, layer.owner);
    auto const mine = all_tokens(layer, r);
    training_record<host_device, double> record;
    try {
      record = train(layer, mine, moe, q, forward ? odd : good, result, {});
      go_back(layer, mine, moe, q, odd, record, grad_out, result);
    } catch (error const& e) {
      said[at(r)] = e.what();
    }
    if (!goes_on) return;
    if (forward) record = train(layer, mine, moe, q, good, result, {});
    go_back(layer, mine, moe, q, good, record, grad_out, result);
  });
  for (auto const& text : texts(ends)) CHECK(text.empty());
  if (goes_on) CHECK(distance(result, dense_gradients(layer, grad_out)) <= rounding<double>);
  return said;
}

TEST_CASE("failures: a kernel that answers nonsense about gradients is refused, not believed",
          "[failures][backward]") {
  using fault = odd_kernel::fault;
  for (bool const forward : {true, false}) {
    CAPTURE(forward);
    for (auto const& text : odd_step(fault::no_elements, forward, true))
      CHECK(text == "rank 5: kernel: grad_elements(0) must be from 1 to 2^56 bytes' worth");
    for (auto const& text : odd_step(fault::vast_elements, forward, true))
      CHECK(text == "rank 5: kernel: grad_elements(0) must be from 1 to 2^56 bytes' worth");
    for (auto const& text : odd_step(fault::throwing_elements, forward, true))
      CHECK(text == "rank 5: no elements today");
    for (auto const wrong : {fault::negative_work, fault::vast_work})
      for (auto const& text : odd_step(wrong, forward, false))
        CHECK(text == "rank 5: workspace: an area must have from 0 to 2^56 bytes");
  }
  for (auto const& text : odd_step(fault::throwing_grad, false, true))
    CHECK(text == "rank 5: no gradient today");
  for (auto const& text : odd_step(fault::negative_saved, true, true))
    CHECK(text == "rank 5: disagrees with rank 0 on what a record keeps");
}

}  // namespace
