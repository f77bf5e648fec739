// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <llep/concepts/training.hpp>
#include <llep/device/host.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/testing/experts.hpp>
#include <llep/testing/kernel_case.hpp>
#include <llep/testing/promise.hpp>
#include <llep/testing/seeded.hpp>

namespace llep::testing {

/// What a kernel is held to.
template <class T>
struct kernel_options {
  double tolerance = default_tolerance<T>;  ///< as a part of the scale
  bool rows_stand_alone = false;            ///< no result hangs on neighbouring rows, to the bit
  bool aligned_natives = false;  ///< native weights and gradients are aligned as lent ones are
  row_count most_rows = 70;      ///< in a group
  expert_sizes sizes{};
};

namespace detail {

/// A kernel and the loops kernel on one random case.
template <expert_family Family, device D, class Make>
class kernel_check {
  using T = typename Family::element;
  using runner = kernel_runner<Family, D, Make>;
  static constexpr std::size_t blocks = Family::blocks;

 public:
  static constexpr bool trains =
      trainable_family<Family> && trainable_kernel<typename runner::kernel_type>;

  kernel_check(D& device, typename D::queue& q, Family const& family, Make& make,
               std::uint64_t seed, kernel_options<T> const& how)
      : make_(make),
        how_(how),
        random_(seed),
        witness_("expert_kernel", seed),
        case_(random_, family, how.sizes, how.most_rows),
        run_(device, q, case_, make, how.aligned_natives),
        loops_(host_, host_queue_, case_, make_loops_, false) {}

  void facts() {
    auto const& kernel = run_.kernel();
    witness_.equals(kernel.hidden(), case_.family.hidden, "hidden() is H");
    for (std::size_t b = 0; b < blocks; ++b)
      witness_.equals(kernel.block_bytes(b), loops_.kernel().block_bytes(b),
                      "block_bytes are those of the family's blocks");
    auto const places = run_.natives();
    for (std::size_t e = 0; e < places.size(); ++e)
      for (std::size_t b = 0; b < blocks && case_.native[e] != 0; ++b)
        witness_.holds(kernel.native(static_cast<expert_id>(e))[b] == places[e][b],
                       "native is where the blocks of an expert were said to lie");
    digests();
    for (int i = 0; i < 10; ++i) {
      std::vector<row_count> rows(at(random_.between(1, 9)));
      for (row_count& n : rows) n = random_.between(1, 1200);
      work("work_bytes", rows, [](auto const& k, auto const& r) { return k.work_bytes(r); });
      if constexpr (trains)
        work("backward_work_bytes", rows,
             [](auto const& k, auto const& r) { return k.backward_work_bytes(r); });
    }
  }

  void forward() {
    auto const got = run_.forward({case_.groups});
    auto const expected = loops_.forward({case_.groups});
    witness_.same(case_.outside(got), case_.outside(expected),
                  "forward leaves rows of no group alone");
    witness_.close(got, expected, how_.tolerance, "forward makes what the loops kernel makes");
    if (case_.groups.size() > 1)
      witness_.close(run_.forward(two_calls()), got, how_.tolerance,
                     "forward may come in several calls");
    for (auto const& alone : rows_alone())
      witness_.same(case_.row(run_.forward({std::span(&alone, 1)}), alone.first),
                    case_.row(got, alone.first), "a row's result doesn't hang on its neighbours");
    witness_.holds(run_.kept_to_its_memory(), "forward writes nothing behind its work");
  }

  void backward()
    requires trains
  {
    gradient_places();
    auto const zeros = with_all(T{0});
    auto const got = run_.backward({case_.groups}, nullptr, zeros);
    auto const expected = loops_.backward({case_.groups}, nullptr, zeros);
    witness_.same(case_.outside(got.gx), case_.outside(expected.gx),
                  "backward leaves rows of no group alone");
    witness_.close(got.gx, expected.gx, how_.tolerance,
                   "backward makes the row gradients that the loops kernel makes");
    compare(got.grads, expected.grads,
            "backward makes the gradients of weights that the loops kernel makes");
    witness_.holds(run_.backward({case_.groups}, nullptr, zeros).same_bits(got),
                   "the same backward call gives the same bits");
    saved(got, zeros);
    auto const ones = with_all(T{1});
    auto sum = got.grads;
    for (auto& list : sum)
      for (T& value : list) value += T{1};
    compare(run_.backward({case_.groups}, nullptr, ones).grads, sum,
            "backward adds gradients of weights to what is there");
    if (case_.groups.size() > 1) {
      auto const parts = run_.backward(two_calls(), nullptr, zeros);
      witness_.close(parts.gx, got.gx, how_.tolerance, "backward may come in several calls");
      compare(parts.grads, got.grads, "backward may come in several calls");
    }
    for (auto const& alone : rows_alone())
      witness_.same(
          case_.row(run_.backward({std::span(&alone, 1)}, nullptr, zeros).gx, alone.first),
          case_.row(got.gx, alone.first), "a row's gradient doesn't hang on its neighbours");
    witness_.holds(run_.kept_to_its_memory(),
                   "backward writes nothing around its work, its saved values and the gradients");
  }

 private:
  // That of a rank which owns no expert.
  typename runner::kernel_type without_experts(Family const& family) {
    return make_(family, std::vector<block_pointers<Family>>(case_.weights.size()),
                 std::vector<gradient_pointers<Family>>(case_.weights.size()));
  }

  void digests() {
    auto const digest_of = [this](Family const& f) { return without_experts(f).digest(); };
    witness_.equals(digest_of(case_.family), run_.kernel().digest(),
                    "digest is the same on ranks with other experts");
    auto const tells_apart = [&](auto field, auto value, char const* promise) {
      auto other = case_.family;
      if (other.*field == value) return;
      other.*field = value;
      witness_.holds(digest_of(other) != run_.kernel().digest(), promise);
    };
    auto const& own = case_.family;
    auto const& most = how_.sizes;
    tells_apart(&Family::hidden, other_size(own.hidden, most.most_hidden, most.multiple_of),
                "digest tells sizes apart");
    if constexpr (requires { own.inner; })
      tells_apart(&Family::inner, other_size(own.inner, most.most_inner, most.multiple_of),
                  "digest tells sizes apart");
    if constexpr (requires { own.alpha; })
      tells_apart(&Family::alpha, own.alpha + 0.5, "digest tells parameters apart");
    if constexpr (requires { own.limit; })
      tells_apart(&Family::limit, own.limit + 0.5, "digest tells parameters apart");
  }

  // Of all groups; the first one comes last.
  [[nodiscard]] std::vector<std::span<expert_rows const>> two_calls() const {
    auto const all = std::span(case_.groups);
    return {all.last(all.size() - 1), all.first(1)};
  }

  template <class Bytes>
  void work(char const* name, std::vector<row_count> const& rows, Bytes bytes_of) {
    auto const promise = [name](char const* what) { return std::string(name) + what; };
    auto const all = bytes_of(run_.kernel(), rows);
    auto some = rows;
    std::erase_if(some, [this](row_count) { return random_.chance(40); });
    witness_.holds(all >= 0 && bytes_of(run_.kernel(), some) <= all,
                   promise(": a subset of groups never needs more work"));
    witness_.equals(bytes_of(without_experts(case_.family), rows), all,
                    promise(" is the same on ranks with other experts"));
  }

  void gradient_places()
    requires trains
  {
    auto const& kernel = run_.kernel();
    for (std::size_t b = 0; b < blocks; ++b)
      witness_.equals(kernel.grad_elements(b), loops_.kernel().grad_elements(b),
                      "grad_elements are those of the family's blocks");
    auto const places = run_.native_grads();
    for (std::size_t e = 0; e < places.size(); ++e)
      for (std::size_t b = 0; b < blocks && case_.native[e] != 0; ++b)
        witness_.holds(kernel.native_grad(static_cast<expert_id>(e))[b] == places[e][b],
                       "native_grad is where the gradients were said to lie");
  }

  void saved(kernel_gradients<T> const& got, std::vector<block_values<Family>> const& zeros) {
    std::vector<std::byte> saved;
    auto const y = run_.forward_saving(saved);
    witness_.same(y, run_.forward({case_.groups}), "forward gives the same bits when it saves");
    witness_.holds(run_.backward({case_.groups}, &saved, zeros).same_bits(got),
                   "backward gives the same bits from what was saved and without");
  }

  [[nodiscard]] std::vector<block_values<Family>> with_all(T value) const {
    auto list = case_.weights;
    for (auto& expert : list)
      for (auto& block : expert) std::fill(block.begin(), block.end(), value);
    return list;
  }

  [[nodiscard]] std::vector<expert_rows> rows_alone() {
    return how_.rows_stand_alone ? case_.single_rows(random_) : std::vector<expert_rows>();
  }

  void compare(std::vector<std::vector<T>> const& got, std::vector<std::vector<T>> const& expected,
               char const* promise) const {
    for (std::size_t i = 0; i < expected.size(); ++i)
      witness_.close(got[i], expected[i], how_.tolerance, promise);
  }

  struct make_loops {
    loops_kernel<Family> operator()(Family const& f, std::vector<block_pointers<Family>> native,
                                    std::vector<gradient_pointers<Family>> grads) const {
      return {f, std::move(native), std::move(grads)};
    }
  };

  Make& make_;
  kernel_options<T> how_;
  seeded random_;
  witness witness_;
  kernel_case<Family> case_;
  runner run_;
  host_device host_;
  host_device::queue host_queue_;
  make_loops make_loops_;
  kernel_runner<Family, host_device, make_loops> loops_;
};

}  // namespace detail

/// Holds a kernel of an expert family against the loops kernel and the contract of
/// `llep::expert_kernel`, with random experts and groups of one seed: gaps between groups, groups
/// of one row and of many, native and lent weights. A trainable one also against that of
/// `llep::trainable_kernel`.
///
/// @param family its parameters; the sizes are drawn
/// @param make called as make(family, native, gradients) with what loops_kernel's constructor gets,
///        pointers to device memory; returns the kernel, with blocks laid out as loops_kernel's
/// @throws broken_promise at the first promise that isn't kept; what the kernel throws
template <expert_family Family, class Make, device D>
void check_kernel(D& device, typename D::queue& q, Family const& family, Make make,
                  std::uint64_t seed, kernel_options<typename Family::element> const& how = {}) {
  detail::kernel_check<Family, D, Make> check(device, q, family, make, seed, how);
  check.facts();
  check.forward();
  if constexpr (decltype(check)::trains) check.backward();
}

/// Makes kernels that are constructed as loops_kernel is.
template <template <class> class Kernel>
struct make_kernel_like {
  template <expert_family Family, class Native, class Gradients>
  Kernel<Family> operator()(Family const& family, Native native, Gradients gradients) const {
    return Kernel<Family>(family, std::move(native), std::move(gradients));
  }
};

}  // namespace llep::testing
