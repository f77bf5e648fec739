// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <llep/backends/cuda/blas_streams.hpp>
#include <llep/backends/cuda/kernel.cuh>

namespace llep::bench {

/// Handles of cuBLAS take long to make: kernels that come and go take what others have left.
class stream_shelf {
 public:
  using streams = cuda::blas_streams<>;

  /// One stream, back on the shelf when the last who has it lets go.
  [[nodiscard]] static std::shared_ptr<streams> take() {
    auto& here = shelf();
    std::unique_ptr<streams> one;
    {
      std::lock_guard const held(here.guard_);
      if (!here.free_.empty()) {
        one = std::move(here.free_.back());
        here.free_.pop_back();
      }
    }
    if (one == nullptr) one = std::make_unique<streams>(1);
    return {one.release(), [&here](streams* back) {
              std::lock_guard const held(here.guard_);
              here.free_.emplace_back(back);
            }};
  }

 private:
  static stream_shelf& shelf() {
    static auto* const only = new stream_shelf;  // stays: at the very end there is no CUDA any more
    return *only;
  }

  std::mutex guard_;
  std::vector<std::unique_ptr<streams>> free_;
};

/// The kernel over cuBLAS, on such a stream.
template <class Family, class Row = typename Family::element>
class shelf_kernel : public cuda::kernel<Family, Row> {
  using base = cuda::kernel<Family, Row>;

 public:
  shelf_kernel(Family const& family, std::vector<typename base::weight_blocks> native,
               std::vector<typename base::gradient_blocks> grads = {})
      : base(family, std::move(native), std::move(grads), {}, stream_shelf::take()) {}
};

}  // namespace llep::bench
