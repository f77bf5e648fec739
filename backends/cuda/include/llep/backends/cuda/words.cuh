// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <llep/backends/cuda/launch.cuh>
#include <llep/backends/cuda/row_types.cuh>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

// How wide rows are read and written, and by how many threads.

/// Addresses and sizes that all have to be multiples of a word.
class alignment_of {
 public:
  alignment_of& with(void const* p) {
    together_ |= reinterpret_cast<std::uintptr_t>(p);
    return *this;
  }
  alignment_of& with(std::int64_t bytes) {
    together_ |= static_cast<std::uint64_t>(bytes);
    return *this;
  }
  [[nodiscard]] bool allows(std::size_t word) const { return together_ % word == 0; }

 private:
  std::uint64_t together_ = 0;
};

/// Calls f with a null pointer to the widest word that is allowed, of 16 bytes at most.
template <class F>
void with_word(alignment_of const& all, F f) {
  if (all.allows(16))
    f(static_cast<vector<std::uint32_t, 4>*>(nullptr));
  else if (all.allows(8))
    f(static_cast<vector<std::uint32_t, 2>*>(nullptr));
  else if (all.allows(4))
    f(static_cast<std::uint32_t*>(nullptr));
  else if (all.allows(2))
    f(static_cast<std::uint16_t*>(nullptr));
  else
    f(static_cast<std::byte*>(nullptr));
}

/// Calls f with a null pointer to a vector of elements: 16 bytes, or one element where those aren't
/// allowed.
template <class T, class F>
void with_vector(alignment_of const& all, F f) {
  if (all.allows(16))
    f(static_cast<vector<T, per_16_bytes<T>>*>(nullptr));
  else
    f(static_cast<vector<T, 1>*>(nullptr));
}

/// Threads of a block that has one row of so many words: each takes a few, so that several loads
/// are under way.
[[nodiscard]] inline int threads_for(std::int64_t words) {
  constexpr std::int64_t words_each = 2;
  auto const wanted = ceil_div(words, warp_size * words_each) * warp_size;
  return static_cast<int>(std::clamp<std::int64_t>(wanted, warp_size, 256));
}

/// In a block that has a row of `count` words: f(c, n, step) for this thread's words c, c + step,
/// ... of which there are n <= Most at a time.
template <int Most, class F>
__device__ inline void for_words(std::int64_t count, F const& f) {
  std::int64_t const step = blockDim.x;
  for (std::int64_t c = threadIdx.x; c < count; c += Most * step) {
    std::int64_t const left = (count - c + step - 1) / step;
    f(c, left < Most ? static_cast<int>(left) : Most, step);
  }
}

}  // namespace llep::cuda::detail
