// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <llep/kernel/feed_forward.hpp>
#include <llep/testing/on_device.hpp>
#include <llep/testing/seeded.hpp>
#include <llep/testing/table.hpp>

namespace llep::testing {

/// How large the experts of random cases get, for kernels that can't take any size.
struct expert_sizes {
  std::int64_t most_hidden = 70;
  std::int64_t most_inner = 70;  ///< of families that have one
  std::int64_t multiple_of = 1;  ///< both are multiples of it
};

namespace detail {

template <expert_family Family>
using block_values = std::array<std::vector<typename Family::element>, Family::blocks>;
template <expert_family Family>
using block_pointers = std::array<typename Family::element const*, Family::blocks>;
template <expert_family Family>
using gradient_pointers = std::array<typename Family::element*, Family::blocks>;

// Another size that such a kernel takes, or the same if there is none.
inline std::int64_t other_size(std::int64_t size, std::int64_t most, std::int64_t multiple_of) {
  if (size > multiple_of) return size - multiple_of;
  return size + multiple_of <= most ? size + multiple_of : size;
}

// The family with other sizes.
template <expert_family Family>
Family sized(Family family, seeded& random, expert_sizes const& most) {
  auto const size = [&](std::int64_t up_to) {
    return most.multiple_of *
           random.between(1, (std::max)(up_to / most.multiple_of, std::int64_t{1}));
  };
  family.hidden = size(most.most_hidden);
  if constexpr (requires { family.inner; }) family.inner = size(most.most_inner);
  return family;
}

template <class T>
std::vector<T> real_list(seeded& random, std::int64_t n, double scale = 1) {
  std::vector<T> list(at(n));
  for (T& value : list) value = static_cast<T>(scale * (2 * random.real() - 1));
  return list;
}

// So that what comes out is about as large as what went in.
template <expert_family Family>
std::vector<block_values<Family>> random_weights(Family const& family, seeded& random,
                                                 std::int64_t experts) {
  std::int64_t widest = family.hidden;
  if constexpr (requires { family.inner; }) widest = (std::max)(widest, family.inner);
  double const scale = 2 / std::sqrt(static_cast<double>(widest));
  std::vector<block_values<Family>> all(at(experts));
  for (auto& blocks : all)
    for (std::size_t b = 0; b < Family::blocks; ++b)
      blocks[b] = real_list<typename Family::element>(random, family.block_elements()[b], scale);
  return all;
}

template <expert_family Family>
block_pointers<Family> pointers_to(block_values<Family> const& blocks) {
  block_pointers<Family> list{};
  for (std::size_t b = 0; b < Family::blocks; ++b) list[b] = blocks[b].data();
  return list;
}

// Whether an inner value of the row is so near a clamp's limit that rounding decides on which side
// it is, and with that on a gradient.
template <expert_family Family>
bool near_limit(Family const& family, block_values<Family> const& weights,
                typename Family::element const* row) {
  if constexpr (requires { family.limit; } && trainable_family<Family>) {
    std::vector<typename Family::element> inner(at(family.saved_elements()));
    family.save(row, pointers_to<Family>(weights), inner.data());
    return std::any_of(inner.begin(), inner.end(), [&](auto value) {
      return std::fabs(std::fabs(static_cast<double>(value)) - family.limit) < 2e-5;
    });
  } else {
    return false;
  }
}

/// The blocks of some experts in device memory, each with an element before and behind that nobody
/// may write, or at an aligned address.
template <expert_family Family, device D>
class device_blocks {
  using T = typename Family::element;

 public:
  device_blocks(D& device, typename D::queue& q, std::vector<block_values<Family>> const& experts,
                bool aligned)
      : lead_(aligned ? 0 : 1) {
    for (auto const& blocks : experts)
      for (auto const& block : blocks) {
        std::vector<T> padded(block.size() + 2, T{42});
        std::copy(block.begin(), block.end(), padded.begin() + lead_);
        lists_.emplace_back(device, q, padded);
      }
  }

  [[nodiscard]] gradient_pointers<Family> of(std::size_t expert) const {
    gradient_pointers<Family> list{};
    for (std::size_t b = 0; b < Family::blocks; ++b)
      list[b] = lists_[expert * Family::blocks + b].data() + lead_;
    return list;
  }
  [[nodiscard]] block_pointers<Family> reading(std::size_t expert) const {
    block_pointers<Family> list{};
    auto const all = of(expert);
    std::copy(all.begin(), all.end(), list.begin());
    return list;
  }

  /// All blocks, expert by expert; `untouched` turns false if what is around them isn't as it was.
  [[nodiscard]] std::vector<std::vector<T>> read(bool& untouched) const {
    std::vector<std::vector<T>> all;
    for (auto const& list : lists_) {
      auto padded = list.read();
      auto const stayed = [](T v) { return v == T{42}; };
      auto const last = padded.end() - 2 + lead_;
      untouched &= std::all_of(padded.begin(), padded.begin() + lead_, stayed) &&
                   std::all_of(last, padded.end(), stayed);
      all.emplace_back(padded.begin() + lead_, last);
    }
    return all;
  }

 private:
  std::ptrdiff_t lead_;
  std::vector<on_device<D, T>> lists_;
};

}  // namespace detail

}  // namespace llep::testing
