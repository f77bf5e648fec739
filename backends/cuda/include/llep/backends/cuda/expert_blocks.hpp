// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <llep/backends/cuda/status.hpp>
#include <llep/error.hpp>
#include <llep/shape.hpp>

namespace llep::cuda::detail {

/// Throws unless kernels of some GPU reach `p` in its memory and it is aligned; null is fine.
inline void expects_device_memory(void const* p, std::size_t alignment, std::string_view what,
                                  std::size_t expert, std::size_t block) {
  if (p == nullptr) return;
  auto const refuse = [&](std::string const& why) {
    throw error(errc::invalid_argument, "cuda: " + std::string(what) + " of expert " +
                                            std::to_string(expert) + ", block " +
                                            std::to_string(block) + ": " + why);
  };
  if (reinterpret_cast<std::uintptr_t>(p) % alignment != 0)
    refuse("isn't aligned to its elements of " + std::to_string(alignment) + " bytes");
  cudaPointerAttributes of{};
  check(cudaPointerGetAttributes(&of, p), "cudaPointerGetAttributes");
  if (of.type != cudaMemoryTypeDevice && of.type != cudaMemoryTypeManaged)
    refuse("is host memory, and must be device memory");
}

/// Where the blocks of this rank's experts lie, or their gradients, in memory that stays the
/// user's. Null for other experts.
template <class Pointer, std::size_t Blocks>
class expert_blocks {
 public:
  using list = std::vector<std::array<Pointer, Blocks>>;

  /// @throws llep::error (invalid_argument) naming expert and block, for host memory and for what
  ///         isn't aligned to its elements. About half a microsecond a pointer.
  expert_blocks(list given, std::string_view what) : given_(std::move(given)) {
    for (std::size_t e = 0; e < given_.size(); ++e)
      for (std::size_t b = 0; b < Blocks; ++b)
        expects_device_memory(given_[e][b], alignof(std::remove_pointer_t<Pointer>), what, e, b);
  }

  /// Nulls for experts that none were given of.
  template <class Untyped>
  [[nodiscard]] std::array<Untyped, Blocks> of(expert_id e) const {
    std::array<Untyped, Blocks> at{};
    if (static_cast<std::size_t>(e) < given_.size())
      for (std::size_t b = 0; b < Blocks; ++b) at[b] = given_[static_cast<std::size_t>(e)][b];
    return at;
  }

 private:
  list given_;
};

}  // namespace llep::cuda::detail
