// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <llep/backends/cuda/kernel.cuh>

#include "device_memory.cuh"
#include "scenarios.hpp"

namespace llep::bench {

using bf16 = cuda::bfloat16;
using gptoss_kernel = cuda::kernel<gptoss_expert<float>, bf16>;
using swiglu_kernel = cuda::kernel<swiglu_expert<float>, bf16>;

/// Calls f.operator()<Kernel>(family) for the kind of the shape.
template <class F>
void with_family(layer_shape const& s, F f) {
  if (s.kind == expert_kind::gptoss)
    f.template operator()<gptoss_kernel>(gptoss_expert<float>{s.hidden, s.inner});
  else
    f.template operator()<swiglu_kernel>(swiglu_expert<float>{s.hidden, s.inner});
}

[[nodiscard]] constexpr byte_count aligned(byte_count bytes) { return (bytes + 255) / 256 * 256; }

/// Random weights are so large that what comes out of an expert is about as large as what went in.
[[nodiscard]] inline float weight_scale(layer_shape const& s) {
  return 2 / std::sqrt(static_cast<float>((std::max)(s.hidden, s.inner)));
}

/// Weights of so many experts, random bf16, and a kernel that any of them is native to.
template <class K, class Family>
class expert_pool {
 public:
  static constexpr std::size_t blocks = K::blocks;

  expert_pool(cuda::queue& q, layer_shape const& s, Family const& family, std::int64_t experts)
      : family_(family), elements_(family.block_elements()) {
    std::int64_t each = 0;
    for (std::int64_t const n : elements_) each += aligned_elements(n);
    weights_ = random_array<bf16>(q, each * experts, 11, weight_scale(s));
    auto* at = weights_.data();
    for (std::int64_t i = 0; i < experts; ++i) {
      auto& expert = experts_.emplace_back();
      for (std::size_t b = 0; b < blocks; ++b) {
        expert[b] = at;
        at += aligned_elements(elements_[b]);
      }
    }
  }

  [[nodiscard]] std::int64_t size() const { return std::ssize(experts_); }
  [[nodiscard]] typename K::weight_blocks const& expert(std::int64_t i) const {
    return experts_[static_cast<std::size_t>(i)];
  }

  /// The kernel of a rank that owns E experts' [first, first + size()); others have no place.
  [[nodiscard]] K kernel(std::int32_t all, expert_id first, cuda::blas_options const& how,
                         std::shared_ptr<typename K::streams_type> const& streams) const {
    std::vector<typename K::weight_blocks> native(static_cast<std::size_t>(all));
    std::copy(experts_.begin(), experts_.end(), native.begin() + first);
    return K(family_, std::move(native), {}, how, streams);
  }

 private:
  static std::int64_t aligned_elements(std::int64_t n) {
    constexpr auto each = static_cast<byte_count>(sizeof(bf16));
    return aligned(n * each) / each;
  }

  Family family_;
  std::array<std::int64_t, blocks> elements_;
  device_array<bf16> weights_;
  std::vector<typename K::weight_blocks> experts_;
};

}  // namespace llep::bench
