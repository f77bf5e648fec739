// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include <llep/shape.hpp>

namespace llep::cuda {

/// What is planned from, in device memory.
struct plan_input {
  rank_id const* owner = nullptr;        ///< [E]
  std::int64_t const* counts = nullptr;  ///< [P][E], rows `stride` apart
  /// [P][2], rows `stride` apart: a rank's first bad position, or -1, and its id, as device::count
  /// notes them. Null: there are none.
  std::int64_t const* bad = nullptr;
  std::int64_t stride = 0;
  row_count most_rows = (std::numeric_limits<row_count>::max)();        ///< that a rank may compute
  std::int32_t most_lent = (std::numeric_limits<std::int32_t>::max)();  ///< experts lent to a rank
};

namespace detail {

__device__ inline void add_shared(row_count* to, row_count value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value));
}

/// The kernel's lists in shared memory. When the walk is over, keys are not needed any more, and
/// what is counted by rank takes their place.
struct plan_lists {
  std::uint64_t* keys;
  row_count* home;       // [E]
  row_count* load;       // [P]
  std::uint16_t* owner;  // [E]
  int keys_count;

  row_count* native_rows;       // [P]
  std::int32_t* native_groups;  // [P]
  std::int32_t* lent_groups;    // [P]

  __device__ plan_lists(unsigned char* memory, int count, std::int32_t ranks, std::int32_t experts)
      : keys(reinterpret_cast<std::uint64_t*>(memory)),
        home(reinterpret_cast<row_count*>(memory + first_bytes(count, ranks))),
        load(home + experts),
        owner(reinterpret_cast<std::uint16_t*>(load + ranks)),
        keys_count(count),
        native_rows(reinterpret_cast<row_count*>(memory)),
        native_groups(reinterpret_cast<std::int32_t*>(native_rows + ranks)),
        lent_groups(native_groups + ranks) {}

  [[nodiscard]] static std::size_t bytes(int count, std::int32_t ranks, std::int32_t experts) {
    return first_bytes(count, ranks) + static_cast<std::size_t>(experts) * (sizeof(row_count) + 2) +
           static_cast<std::size_t>(ranks) * sizeof(row_count);
  }

 private:
  [[nodiscard]] __host__ __device__ static constexpr std::size_t first_bytes(int count,
                                                                             std::int32_t ranks) {
    auto const by_expert = static_cast<std::size_t>(count) * sizeof(std::uint64_t);
    auto const by_rank =
        static_cast<std::size_t>(ranks) * (sizeof(row_count) + 2 * sizeof(std::int32_t));
    return by_expert > by_rank ? by_expert : by_rank;
  }
};

}  // namespace detail

}  // namespace llep::cuda
