// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/kernel/loops.hpp>
#include <llep/testing/kernel.hpp>
#include <llep/testing/layer.hpp>

#include "support/broken.hpp"

// Kernels that break one promise each: the suite must find and name it.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::StartsWith;

template <class Family>
struct right : loops_kernel<Family> {
  using base = loops_kernel<Family>;
  using T = typename Family::element;

  using group_list = std::span<row_group<base::blocks> const>;
  using back_list = std::span<gradient_group<base::blocks> const>;
  using base::base;
};

template <class Family>
struct overwrites_gradients : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  void backward(host_device::queue& q, typename right<Family>::back_list groups, T const* x,
                void const* saved, T const* gy, T* gx, void* work) {
    for (auto const& g : groups)
      for (std::size_t b = 0; b < right<Family>::blocks; ++b)
        std::fill_n(static_cast<T*>(g.grads[b]), this->grad_elements(b), T{0});
    right<Family>::backward(q, groups, x, saved, gy, gx, work);
  }
};
template <class Family>
struct touches_gaps : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  using right<Family>::forward;
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    for (auto const& g : groups)
      if (g.first > 0) y[g.first * this->hidden() - 1] = T{0};
    right<Family>::forward(q, groups, x, y, work);
  }
};
template <class Family>
struct forgets_last_row : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  using right<Family>::forward;
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    std::vector<row_group<right<Family>::blocks>> fewer(groups.begin(), groups.end());
    for (auto& g : fewer)
      if (g.rows > 3) --g.rows;
    right<Family>::forward(q, fewer, x, y, work);
  }
};
template <class Family>
struct neighbours_show : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  using right<Family>::forward;
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    right<Family>::forward(q, groups, x, y, work);
    for (auto const& g : groups)
      if (g.rows > 1) y[g.first * this->hidden()] *= T{1} + T{1e-6F};
  }
};
template <class Family>
struct needs_more_for_less : right<Family> {
  using right<Family>::right;
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows) const {
    return 1 << (20 - (std::min<std::size_t>)(rows.size(), 10));
  }
};
template <class Family>
struct writes_behind_its_work : right<Family> {
  using right<Family>::right;
  [[nodiscard]] byte_count work_bytes(std::span<row_count const> rows) const {
    return (std::max)(right<Family>::work_bytes(rows) - 4, byte_count{0});
  }
};
template <class Family>
struct knows_its_rank : right<Family> {
  using right<Family>::right;
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest().add(right<Family>::digest()).add(this->native(0)[0] != nullptr).value();
  }
};
template <class Family>
struct same_for_all_sizes : right<Family> {
  using right<Family>::right;
  [[nodiscard]] std::uint64_t digest() const { return 7; }
};
template <class Family>
struct forgets_what_it_saved : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  void backward(host_device::queue& q, typename right<Family>::back_list groups, T const* x,
                void const* saved, T const* gy, T* gx, void* work) {
    right<Family>::backward(q, groups, x, saved, gy, gx, work);
    if (saved != nullptr) gx[groups[0].first * this->hidden()] *= T{1} + T{1e-6F};
  }
};
template <class Family>
struct never_twice_the_same : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  int calls = 0;
  void backward(host_device::queue& q, typename right<Family>::back_list groups, T const* x,
                void const* saved, T const* gy, T* gx, void* work) {
    right<Family>::backward(q, groups, x, saved, gy, gx, work);
    gx[groups[0].first * this->hidden()] *= T{1} + T{1e-6F} * static_cast<T>(++calls);
  }
};
template <class Family>
struct begins_each_call_anew : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  void backward(host_device::queue& q, typename right<Family>::back_list groups, T const* x,
                void const* saved, T const* gy, T* gx, void* work) {
    auto first = groups[0].first;
    for (auto const& g : groups) first = (std::min)(first, g.first);
    if (first > 0) gx[(first - 1) * this->hidden()] = T{0};
    right<Family>::backward(q, groups, x, saved, gy, gx, work);
  }
};

template <class Family>
struct only_goes_on : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  using right<Family>::forward;
  expert_id last = 0;
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    if (groups[0].expert < last) return;
    last = groups[0].expert;
    right<Family>::forward(q, groups, x, y, work);
  }
};
template <class Family>
struct same_for_all_parameters : right<Family> {
  using right<Family>::right;
  [[nodiscard]] std::uint64_t digest() const {
    return llep::digest("sizes").add(this->hidden()).add(this->block_bytes(0)).value();
  }
};

// Legal ones: takes H = 16, 32, 48 and 64 alone, and no calls without groups.
template <class Family>
struct takes_a_few_sizes : right<Family> {
  using typename right<Family>::T;
  using base = loops_kernel<Family>;

  takes_a_few_sizes(Family const& family, std::vector<typename base::weight_blocks> native,
                    std::vector<typename base::gradient_blocks> grads)
      : right<Family>(family, std::move(native), std::move(grads)) {
    expects(family.hidden % 16 == 0 && family.hidden <= 64, "takes_a_few_sizes: H");
    expects(family.inner % 16 == 0 && family.inner <= 64, "takes_a_few_sizes: F");
  }
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    expects(!groups.empty(), "takes_a_few_sizes: no groups");
    base::forward(q, groups, x, y, work);
  }
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* saved, void* work) {
    expects(!groups.empty(), "takes_a_few_sizes: no groups");
    base::forward(q, groups, x, y, saved, work);
  }
  void backward(host_device::queue& q, typename right<Family>::back_list groups, T const* x,
                void const* saved, T const* gy, T* gx, void* work) {
    expects(!groups.empty(), "takes_a_few_sizes: no groups");
    base::backward(q, groups, x, saved, gy, gx, work);
  }
};

template <template <class> class Kernel, class Family = swiglu_expert<float>>
std::string found_in(Family const& family = {}, expert_sizes const& sizes = {}) {
  host_device device;
  host_device::queue q;
  kernel_options<float> const how{.rows_stand_alone = true, .sizes = sizes};
  return broken_promise_of([&](std::uint64_t seed) {
    check_kernel(device, q, family, make_kernel_like<Kernel>(), seed, how);
  });
}

TEST_CASE("conformance: a kernel that breaks a promise is caught by name",
          "[conformance][kernel]") {
  CHECK_THAT(found_in<right>(), StartsWith("nothing"));
  CHECK_THAT(found_in<touches_gaps>(),
             StartsWith("expert_kernel: forward leaves rows of no group alone"));
  CHECK_THAT(found_in<forgets_last_row>(),
             StartsWith("expert_kernel: forward makes what the loops kernel makes"));
  CHECK_THAT(found_in<neighbours_show>(),
             StartsWith("expert_kernel: a row's result doesn't hang on its neighbours"));
  CHECK_THAT(found_in<needs_more_for_less>(), StartsWith("expert_kernel: work_bytes: a subset"));
  CHECK_THAT(found_in<writes_behind_its_work>(),
             StartsWith("expert_kernel: forward writes nothing behind its work"));
  CHECK_THAT(found_in<knows_its_rank>(), StartsWith("expert_kernel: digest is the same on ranks"));
  CHECK_THAT(found_in<same_for_all_sizes>(), StartsWith("expert_kernel: digest tells sizes apart"));
  for (auto const& family : {gptoss_expert<float>{}, gptoss_expert<float>{{}, {}, 2, 2}})
    CHECK_THAT(found_in<same_for_all_parameters>(family),
               StartsWith("expert_kernel: digest tells parameters apart"));
  CHECK_THAT(found_in<only_goes_on>(),
             StartsWith("expert_kernel: forward may come in several calls"));
}

TEST_CASE("conformance: a kernel may refuse sizes and calls without groups",
          "[conformance][kernel]") {
  CHECK_THAT(found_in<takes_a_few_sizes>({}, {64, 64, 16}), StartsWith("nothing"));
  CHECK_THAT(found_in<takes_a_few_sizes>({}, {16, 16, 16}), StartsWith("nothing"));
}

TEST_CASE("conformance: a kernel that goes back wrongly is caught by name",
          "[conformance][kernel]") {
  CHECK_THAT(found_in<overwrites_gradients>(),
             StartsWith("expert_kernel: backward adds gradients of weights to what is there"));
  CHECK_THAT(found_in<forgets_what_it_saved>(),
             StartsWith("expert_kernel: backward gives the same bits from what was saved"));
  CHECK_THAT(found_in<never_twice_the_same>(),
             StartsWith("expert_kernel: the same backward call gives the same bits"));
  CHECK_THAT(found_in<begins_each_call_anew>(),
             StartsWith("expert_kernel: backward leaves rows of no group alone"));
}

// ---- whole layers -------------------------------------------------------------------------------

template <class Family>
struct mixes_up_experts : right<Family> {
  using typename right<Family>::T;
  using right<Family>::right;
  using right<Family>::forward;
  void forward(host_device::queue& q, typename right<Family>::group_list groups, T const* x, T* y,
               void* work) {
    std::vector<row_group<right<Family>::blocks>> list(groups.begin(), groups.end());
    for (auto& g : list) g.weights = list[0].weights;
    right<Family>::forward(q, list, x, y, work);
  }
};

template <template <class> class Kernel>
std::string found_in_layer() {
  return broken_promise_among(3, [](auto& group, std::uint64_t seed) {
    host_device::queue q;
    check_layer(group, q, swiglu_expert<float>{}, make_kernel_like<Kernel>(), seed);
  });
}

TEST_CASE("conformance: a layer that isn't the dense one is caught by name",
          "[conformance][layer]") {
  CHECK_THAT(found_in_layer<right>(), StartsWith("nothing"));
  CHECK_THAT(found_in_layer<mixes_up_experts>(),
             StartsWith("layer: forward makes the dense output"));
  CHECK_THAT(found_in_layer<overwrites_gradients>(),
             StartsWith("layer: backward adds the dense gradients of weights"));
}

}  // namespace
