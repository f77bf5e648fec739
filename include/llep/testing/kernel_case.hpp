// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/concepts/training.hpp>
#include <llep/testing/experts.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing::detail {

/// Rows of an expert.
struct expert_rows {
  expert_id expert = 0;
  row_count first = 0;
  row_count rows = 0;
};

/// Random experts, some of which this rank owns, and rows for them in groups with gaps between.
template <expert_family Family>
struct kernel_case {
  using T = typename Family::element;

  Family family;
  std::vector<block_values<Family>> weights;
  std::vector<char> native;  // by expert
  std::vector<expert_rows> groups;
  std::vector<T> x, gy;

  kernel_case(seeded& random, Family const& prototype, expert_sizes const& sizes,
              row_count most_rows)
      : family(sized(prototype, random, sizes)),
        weights(random_weights(family, random,
                               random.chance(90) ? random.between(1, 4) : random.between(20, 40))) {
    if (weights.size() > 4) most_rows = (std::min)(most_rows, row_count{4});
    row_count next = 0;
    for (expert_id e = 0; e < std::ssize(weights); ++e) {
      native.push_back(random.chance(60));
      if (e > 0 && random.chance(20)) continue;
      auto const rows = random.one_of<row_count>({1, 2, 3, 4, 5, 8, random.between(1, most_rows)});
      next += random.between(0, 2);  // rows of no group
      groups.push_back({e, next, (std::min)(rows, most_rows)});
      next += groups.back().rows;
    }
    x = real_list<T>(random, (next + 1) * family.hidden);
    gy = real_list<T>(random, (next + 1) * family.hidden);
    for (auto const& g : groups)
      for (row_count r = g.first; r < g.first + g.rows; ++r)
        while (near_limit(family, weights[at(g.expert)], x.data() + r * family.hidden))
          x[at(r * family.hidden + random.below(family.hidden))] =
              static_cast<T>(2 * random.real() - 1);
  }

  [[nodiscard]] std::vector<T> row(std::vector<T> const& list, row_count r) const {
    auto const first = list.begin() + r * family.hidden;
    return {first, first + family.hidden};
  }
  /// The list with zeros where rows of groups are.
  [[nodiscard]] std::vector<T> outside(std::vector<T> list) const {
    for (auto const& g : groups)
      std::fill_n(list.begin() + g.first * family.hidden, g.rows * family.hidden, T{0});
    return list;
  }
  /// A group's first row, its last and one between, alone.
  [[nodiscard]] std::vector<expert_rows> single_rows(seeded& random) const {
    std::vector<expert_rows> list;
    for (auto const& g : groups)
      for (row_count const r : {row_count{0}, random.below(g.rows), g.rows - 1})
        list.push_back({g.expert, g.first + r, 1});
    return list;
  }
};

/// Gradients by the rows, and by every expert's blocks.
template <class T>
struct kernel_gradients {
  std::vector<T> gx;
  std::vector<std::vector<T>> grads;

  [[nodiscard]] bool same_bits(kernel_gradients const& other) const {
    auto const same = [](std::vector<T> const& a, std::vector<T> const& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
    };
    return same(gx, other.gx) &&
           std::equal(grads.begin(), grads.end(), other.grads.begin(), other.grads.end(), same);
  }
};

/// Runs a kernel, made by `make`, on a case. What a kernel writes to holds NaNs before.
template <expert_family Family, device D, class Make>
class kernel_runner {
  using T = typename Family::element;

 public:
  using kernel_type = std::invoke_result_t<Make&, Family, std::vector<block_pointers<Family>>,
                                           std::vector<gradient_pointers<Family>>>;

  kernel_runner(D& device, typename D::queue& q, kernel_case<Family> const& of, Make& make,
                bool aligned)
      : device_(device),
        q_(q),
        case_(of),
        aligned_(aligned),
        weights_(device, q, of.weights, aligned),
        lent_(device, q, of.weights, true),
        own_grads_(device, q, of.weights, aligned),
        x_(device, q, of.x),
        gy_(device, q, of.gy),
        kernel_(make(of.family, natives(), native_grads())) {}

  [[nodiscard]] kernel_type const& kernel() const { return kernel_; }
  /// Nothing was written behind work, saved values or gradients.
  [[nodiscard]] bool kept_to_its_memory() const { return kept_to_its_memory_; }

  [[nodiscard]] std::vector<block_pointers<Family>> natives() const {
    std::vector<block_pointers<Family>> list(case_.weights.size());
    for (std::size_t e = 0; e < list.size(); ++e)
      if (case_.native[e] != 0) list[e] = weights_.reading(e);
    return list;
  }
  [[nodiscard]] std::vector<gradient_pointers<Family>> native_grads() const {
    std::vector<gradient_pointers<Family>> list(case_.weights.size());
    for (std::size_t e = 0; e < list.size(); ++e)
      if (case_.native[e] != 0) list[e] = own_grads_.of(e);
    return list;
  }

  std::vector<T> forward(std::vector<std::span<expert_rows const>> const& calls) {
    on_device<D, T> const y(device_, q_, nans());
    for (auto const& some : calls) {
      scratch const work(*this, kernel_.work_bytes(sizes(some)));
      auto const groups = forward_groups(some);
      kernel_.forward(q_, groups, x_.data(), y.data(), work.data());
      work.read();
    }
    return y.read();
  }

  /// And keeps what the kernel saves.
  std::vector<T> forward_saving(std::vector<std::byte>& saved) {
    on_device<D, T> const y(device_, q_, nans());
    scratch const work(*this, kernel_.work_bytes(sizes(case_.groups)));
    scratch const keep(*this, saved_bytes());
    auto const groups = forward_groups(case_.groups);
    kernel_.forward(q_, groups, x_.data(), y.data(), keep.data(), work.data());
    saved = keep.read();
    work.read();
    return y.read();
  }

  /// Adds to `start`. `saved` may be null.
  kernel_gradients<T> backward(std::vector<std::span<expert_rows const>> const& calls,
                               std::vector<std::byte> const* saved,
                               std::vector<block_values<Family>> const& start) {
    on_device<D, T> const gx(device_, q_, nans());
    device_blocks<Family, D> const grads(device_, q_, start, aligned_);
    on_device<D, std::byte> const kept(device_, q_, saved ? *saved : std::vector<std::byte>());
    for (auto const& some : calls) {
      scratch const work(*this, kernel_.backward_work_bytes(sizes(some)));
      std::vector<gradient_group<Family::blocks>> back;
      for (auto const& g : forward_groups(some)) {
        back.push_back({g.expert, g.first, g.rows, g.weights, {}});
        auto const places = grads.of(at(g.expert));
        std::copy(places.begin(), places.end(), back.back().grads.begin());
      }
      kernel_.backward(q_, back, x_.data(), kept.data(), gy_.data(), gx.data(), work.data());
      work.read();
    }
    return {gx.read(), grads.read(kept_to_its_memory_)};
  }

 private:
  // So many bytes and some more, which must stay; null if there are none, as in a step.
  class scratch {
   public:
    scratch(kernel_runner& of, byte_count n)
        : of_(of), n_(n), list_(of.device_, of.q_, std::vector<std::byte>(at(n) + 64, filler)) {}
    [[nodiscard]] void* data() const { return n_ == 0 ? nullptr : list_.data(); }
    /// What is in it, when the queue is through; notes whether what is behind it stayed.
    std::vector<std::byte> read() const {
      auto all = list_.read();
      of_.kept_to_its_memory_ &= std::count(all.begin() + n_, all.end(), filler) == 64;
      all.resize(at(n_));
      return all;
    }

   private:
    static constexpr std::byte filler{0xFF};
    kernel_runner& of_;
    byte_count n_;
    on_device<D, std::byte> list_;
  };

  [[nodiscard]] std::vector<T> nans() const {
    return std::vector<T>(case_.x.size(), std::numeric_limits<T>::quiet_NaN());
  }
  static std::vector<row_count> sizes(std::span<expert_rows const> some) {
    std::vector<row_count> list;
    for (auto const& g : some) list.push_back(g.rows);
    return list;
  }
  [[nodiscard]] byte_count saved_bytes() const {
    return std::ssize(case_.x) / case_.family.hidden * kernel_.saved_row_bytes();
  }
  // Native weights lie where the kernel says, others' where they were lent to.
  [[nodiscard]] std::vector<row_group<Family::blocks>> forward_groups(
      std::span<expert_rows const> some) const {
    std::vector<row_group<Family::blocks>> list;
    for (auto const& g : some) {
      list.push_back({g.expert, g.first, g.rows, kernel_.native(g.expert)});
      if (case_.native[at(g.expert)] != 0) continue;
      auto const places = lent_.reading(at(g.expert));
      std::copy(places.begin(), places.end(), list.back().weights.begin());
    }
    return list;
  }

  D& device_;
  typename D::queue& q_;
  kernel_case<Family> const& case_;
  bool aligned_;
  device_blocks<Family, D> weights_, lent_, own_grads_;
  on_device<D, T> x_, gy_;
  kernel_type kernel_;
  bool kept_to_its_memory_ = true;
};

}  // namespace llep::testing::detail
