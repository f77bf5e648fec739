// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/concepts/training.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

/// The family with other elements.
template <class Real, template <class> class Family, class T>
Family<Real> with_elements(Family<T> const& f) {
  if constexpr (Family<T>::blocks == 1)
    return {f.hidden};
  else if constexpr (Family<T>::blocks == 3)
    return {f.hidden, f.inner};
  else
    return {f.hidden, f.inner, f.alpha, f.limit};
}

template <class To, class From>
std::vector<To> converted(std::vector<From> const& from) {
  std::vector<To> to;
  for (From const& value : from)
    if constexpr (sizeof(From) == 2)
      to.push_back(static_cast<To>(static_cast<float>(value)));
    else
      to.push_back(static_cast<To>(value));
  return to;
}

/// Random experts, a group of rows each with a gap before it, and what comes back to these.
template <class Family, class Row>
struct expert_case {
  static constexpr std::size_t blocks = Family::blocks;
  Family family;
  std::vector<std::array<std::vector<Row>, blocks>> weights;  // by expert
  std::vector<row_group<blocks>> groups;                      // without their weights
  std::vector<Row> x, gy;

  expert_case(seeded& random, Family const& of, std::vector<row_count> const& rows) : family(of) {
    double const scale = 2 / std::sqrt(static_cast<double>(family.hidden));
    row_count next = 0;
    for (row_count const n : rows) {
      groups.push_back({static_cast<expert_id>(groups.size()), next + 1, n, {}});
      next += 1 + n;
      auto& mine = weights.emplace_back();
      for (std::size_t b = 0; b < blocks; ++b)
        mine[b] = numbers(random, family.block_elements()[b], scale);
    }
    x = numbers(random, next * family.hidden, 1);
    gy = numbers(random, next * family.hidden, 1);
  }

 private:
  static std::vector<Row> numbers(seeded& random, std::int64_t n, double scale) {
    std::vector<float> list;
    for (; n > 0; --n) list.push_back(static_cast<float>(scale * (2 * random.real() - 1)));
    return converted<Row>(list);
  }
};

/// What a kernel makes of a case; gradients of weights by expert and block, added to ones.
template <class Row, class Grad>
struct case_results {
  std::vector<Row> y, gx;
  std::vector<std::vector<Grad>> grads;

  [[nodiscard]] bool same_bits(case_results const& other) const {
    auto const same = [](auto const& a, auto const& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
    };
    return same(y, other.y) && same(gx, other.gx) &&
           std::equal(grads.begin(), grads.end(), other.grads.begin(), other.grads.end(), same);
  }
};

/// A case in the memory of a device.
template <class Device, class Family, class Row>
class case_on_device {
  static constexpr std::size_t blocks = Family::blocks;
  using grad = typename Family::element;

 public:
  /// @param lead elements that stand before what is in any memory
  case_on_device(Device& device, typename Device::queue& q, expert_case<Family, Row> const& of,
                 std::size_t lead = 0)
      : device_(device), q_(q), case_(of), lead_(lead), x_(led(of.x)), gy_(led(of.gy)) {
    for (auto const& expert : of.weights)
      for (auto const& block : expert) weights_.push_back(led(block));
  }

  /// Puts forward and, on what it saved or not, backward on the queue, and waits for it.
  template <class Kernel>
  case_results<Row, grad> run(Kernel& kernel, bool saving = false) {
    std::vector<row_group<blocks>> groups;
    std::vector<gradient_group<blocks>> back;
    std::vector<row_count> rows;
    std::vector<on_device<Device, grad>> grads;
    for (auto group : case_.groups) {
      auto const e = at(group.expert);
      for (std::size_t b = 0; b < blocks; ++b) {
        group.weights[b] = weights_[e * blocks + b].data() + lead_;
        grads.push_back(led(std::vector<grad>(case_.weights[e][b].size(), grad{1})));
      }
      groups.push_back(group);
      back.push_back({group.expert, group.first, group.rows, group.weights, {}});
      for (std::size_t b = 0; b < blocks; ++b)
        back.back().grads[b] = grads[e * blocks + b].data() + lead_;
      rows.push_back(group.rows);
    }
    auto const all = std::ssize(case_.x) / kernel.hidden();
    on_device<Device, std::byte> const saved(device_, q_, bytes(all * kernel.saved_row_bytes()));
    on_device<Device, std::byte> const work(
        device_, q_, bytes((std::max)(kernel.work_bytes(rows), kernel.backward_work_bytes(rows))));
    auto const y = led(std::vector<Row>(case_.x.size(), Row(-1.0F)));
    auto const gx = led(std::vector<Row>(case_.x.size(), Row(-1.0F)));
    std::span<row_group<blocks> const> const forth(groups);
    if (saving)
      kernel.forward(q_, forth, x_.data() + lead_, y.data() + lead_, saved.data(), work.data());
    else
      kernel.forward(q_, forth, x_.data() + lead_, y.data() + lead_, work.data());
    kernel.backward(q_, back, x_.data() + lead_, saving ? saved.data() : nullptr,
                    gy_.data() + lead_, gx.data() + lead_, work.data());
    case_results<Row, grad> out{behind(y), behind(gx), {}};
    for (auto const& list : grads) out.grads.push_back(behind(list));
    return out;
  }

 private:
  static std::vector<std::byte> bytes(byte_count n) {
    return std::vector<std::byte>(at(n), std::byte{0xFF});  // NaNs
  }
  template <class T>
  on_device<Device, T> led(std::vector<T> list) {
    list.insert(list.begin(), lead_, T(42.0F));
    return {device_, q_, list};
  }
  template <class T>
  std::vector<T> behind(on_device<Device, T> const& list) const {
    auto all = list.read();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(lead_));
    return all;
  }

  Device& device_;
  typename Device::queue& q_;
  expert_case<Family, Row> const& case_;
  std::size_t lead_;
  on_device<Device, Row> x_, gy_;
  std::vector<on_device<Device, Row>> weights_;
};

/// A case as the loops kernel has it, in double.
template <class Family, class Row>
case_results<double, double> exact_results(expert_case<Family, Row> const& of) {
  auto const family = with_elements<double>(of.family);
  using exact_family = std::remove_const_t<decltype(family)>;
  seeded unused(0);
  expert_case<exact_family, double> wide(unused, family, {});
  for (auto const& expert : of.weights) {
    auto& mine = wide.weights.emplace_back();
    for (std::size_t b = 0; b < Family::blocks; ++b) mine[b] = converted<double>(expert[b]);
  }
  wide.groups = of.groups;
  wide.x = converted<double>(of.x);
  wide.gy = converted<double>(of.gy);
  host_device host;
  host_device::queue q;
  loops_kernel<exact_family> kernel(family, {});
  return case_on_device(host, q, wide).run(kernel);
}

/// The largest gap between two lists, as a part of the largest number that is expected. Infinite if
/// there is a NaN.
template <class T, class U>
double largest_gap(std::vector<T> const& got, std::vector<U> const& expected) {
  double largest = 1;
  double gap = got.size() == expected.size() ? 0 : HUGE_VAL;
  for (double const e : converted<double>(expected)) largest = (std::max)(largest, std::fabs(e));
  auto const numbers = converted<double>(got);
  auto const others = converted<double>(expected);
  for (std::size_t i = 0; i < (std::min)(numbers.size(), others.size()); ++i) {
    double const here = std::fabs(numbers[i] - others[i]);
    gap = here <= gap ? gap : std::isnan(here) ? HUGE_VAL : here;
  }
  return gap / largest;
}

/// That of all that a kernel makes. Rows in no group count too: nobody writes there.
template <class Row, class Grad, class Other, class OtherGrad>
double largest_gap(case_results<Row, Grad> const& got,
                   case_results<Other, OtherGrad> const& expected) {
  double gap = (std::max)(largest_gap(got.y, expected.y), largest_gap(got.gx, expected.gx));
  if (got.grads.size() != expected.grads.size()) return HUGE_VAL;
  for (std::size_t i = 0; i < got.grads.size(); ++i)
    gap = (std::max)(gap, largest_gap(got.grads[i], expected.grads[i]));
  return gap;
}

}  // namespace llep::testing
