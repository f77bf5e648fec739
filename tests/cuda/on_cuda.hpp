// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <llep/backends/cuda/kernel.cuh>

namespace llep::testing {

/// For the golden tests: kernels of rows of Row, or of what the family computes with.
struct on_cuda {
  template <class Family>
  using kernel = cuda::kernel<Family>;
  static cuda::device<> make_device() { return cuda::device<>(); }
};

template <class Row>
struct on_cuda_in {
  template <class Family>
  using kernel = cuda::kernel<Family, Row>;
};

}  // namespace llep::testing
