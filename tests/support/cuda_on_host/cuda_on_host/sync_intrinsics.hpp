// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "block.hpp"

// Barriers of a block, and what the threads of a warp do together. Where they are called is known
// to the messages about hangs; it is the last parameter, which callers leave out.

namespace cuda_on_host {

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8, "a warp exchanges up to 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

/// from(lane, first, last) is the lane whose value a lane gets, in a segment of width lanes.
template <class T, class From>
T shuffle(unsigned mask, T value, int width, location at, From const& from) {
  auto& r = *block_runner::current();
  auto const lane = static_cast<int>(r.lane());
  int const first = lane & ~(width - 1);
  int const source = from(lane, first, first + width - 1);
  return from_bits<T>(r.exchange(op_kind::shuffle, mask, to_bits(value), at,
                                 [source](warp::snapshot const& s) { return s.values[source]; }));
}

template <class Fold>
auto reduce(unsigned mask, std::uint64_t value, location at, Fold const& fold) {
  return block_runner::current()->exchange(
      op_kind::reduce, mask, value, at, [&fold](warp::snapshot const& s) {
        std::uint32_t rest = s.lanes;
        std::uint64_t result = s.values[std::countr_zero(rest)];
        while ((rest &= rest - 1) != 0) result = fold(result, s.values[std::countr_zero(rest)]);
        return result;
      });
}

}  // namespace cuda_on_host

// NOLINTBEGIN: names as in CUDA
#define CUDA_ON_HOST_HERE cuda_on_host::location at = cuda_on_host::location::current()

inline void __syncthreads(CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  block_runner::current()->wait_at_barrier(barrier_kind::plain, false, at);
}
inline int __syncthreads_count(int predicate, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  return static_cast<int>(
      block_runner::current()->wait_at_barrier(barrier_kind::count, predicate != 0, at));
}
inline int __syncthreads_or(int predicate, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  return block_runner::current()->wait_at_barrier(barrier_kind::any, predicate != 0, at) != 0;
}
inline int __syncthreads_and(int predicate, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  auto& r = *block_runner::current();
  unsigned const votes = r.wait_at_barrier(barrier_kind::all, predicate != 0, at);
  return votes == r.threads_at_barrier();
}

inline void __syncwarp(unsigned mask = 0xFFFFFFFFU, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  block_runner::current()->exchange(op_kind::sync, mask, 0, at, [](auto const&) { return 0; });
}

/// Threads of a warp need not run together here, so this is who is sure to.
inline unsigned __activemask() { return 1U << cuda_on_host::block_runner::current()->lane(); }

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, CUDA_ON_HOST_HERE) {
  return cuda_on_host::shuffle(mask, value, width, at,
                               [=](int, int first, int) { return first + (source & (width - 1)); });
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDA_ON_HOST_HERE) {
  return cuda_on_host::shuffle(mask, value, width, at, [=](int lane, int first, int) {
    int const from = lane - static_cast<int>(delta);
    return from < first ? lane : from;
  });
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, CUDA_ON_HOST_HERE) {
  return cuda_on_host::shuffle(mask, value, width, at, [=](int lane, int, int last) {
    int const from = lane + static_cast<int>(delta);
    return from > last ? lane : from;
  });
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, CUDA_ON_HOST_HERE) {
  return cuda_on_host::shuffle(mask, value, width, at, [=](int lane, int, int last) {
    int const from = lane ^ bits;
    return from > last ? lane : from;
  });
}

inline unsigned __ballot_sync(unsigned mask, int predicate, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  return block_runner::current()->exchange(
      op_kind::vote, mask, predicate != 0, at, [](warp::snapshot const& s) {
        std::uint32_t set = 0;
        for (std::uint32_t rest = s.lanes; rest != 0; rest &= rest - 1) {
          int const lane = std::countr_zero(rest);
          set |= static_cast<std::uint32_t>(s.values[lane]) << lane;
        }
        return set;
      });
}
inline int __any_sync(unsigned mask, int predicate, CUDA_ON_HOST_HERE) {
  return __ballot_sync(mask, predicate, at) != 0;
}
inline int __all_sync(unsigned mask, int predicate, CUDA_ON_HOST_HERE) {
  return __ballot_sync(mask, predicate == 0, at) == 0;
}

template <class T>
unsigned __match_any_sync(unsigned mask, T value, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  std::uint64_t const mine = to_bits(value);
  return block_runner::current()->exchange(
      op_kind::match, mask, mine, at, [mine](warp::snapshot const& s) {
        std::uint32_t same = 0;
        for (std::uint32_t rest = s.lanes; rest != 0; rest &= rest - 1)
          if (s.values[std::countr_zero(rest)] == mine) same |= rest & (~rest + 1);
        return same;
      });
}
template <class T>
unsigned __match_all_sync(unsigned mask, T value, int* all, CUDA_ON_HOST_HERE) {
  using namespace cuda_on_host;
  std::uint64_t const mine = to_bits(value);
  unsigned const same = block_runner::current()->exchange(
      op_kind::match, mask, mine, at, [mine](warp::snapshot const& s) {
        for (std::uint32_t rest = s.lanes; rest != 0; rest &= rest - 1)
          if (s.values[std::countr_zero(rest)] != mine) return 0U;
        return s.lanes;
      });
  *all = same != 0;
  return same != 0 ? mask : 0;
}

#define CUDA_ON_HOST_REDUCE(name, T, expression)                                       \
  inline T name(unsigned mask, T value, CUDA_ON_HOST_HERE) {                           \
    using namespace cuda_on_host;                                                      \
    return from_bits<T>(                                                               \
        reduce(mask, to_bits(value), at, [](std::uint64_t left, std::uint64_t right) { \
          T const a = from_bits<T>(left), b = from_bits<T>(right);                     \
          return to_bits(static_cast<T>(expression));                                  \
        }));                                                                           \
  }
CUDA_ON_HOST_REDUCE(__reduce_add_sync, unsigned, a + b)
CUDA_ON_HOST_REDUCE(__reduce_add_sync, int, to_bits(a) + to_bits(b))  // wraps
CUDA_ON_HOST_REDUCE(__reduce_min_sync, unsigned, (std::min)(a, b))
CUDA_ON_HOST_REDUCE(__reduce_min_sync, int, (std::min)(a, b))
CUDA_ON_HOST_REDUCE(__reduce_max_sync, unsigned, (std::max)(a, b))
CUDA_ON_HOST_REDUCE(__reduce_max_sync, int, (std::max)(a, b))
CUDA_ON_HOST_REDUCE(__reduce_or_sync, unsigned, a | b)
CUDA_ON_HOST_REDUCE(__reduce_and_sync, unsigned, a& b)
CUDA_ON_HOST_REDUCE(__reduce_xor_sync, unsigned, a ^ b)
#undef CUDA_ON_HOST_REDUCE

/// Lets the other threads of the block run, and other streams.
inline void __nanosleep(unsigned /*ns*/) { cuda_on_host::block_runner::current()->sleep(); }

#undef CUDA_ON_HOST_HERE
// NOLINTEND
