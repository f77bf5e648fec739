// SPDX-License-Identifier: Apache-2.0
// Compiled by nvcc, never run: planning on the device, products by tiles, and the layer of both.
#include <llep/backends/cuda/planned_layer.cuh>
#include <llep/backends/cuda/tiled_kernel.cuh>

using namespace llep;
using cuda::bfloat16;
using cuda::half;

static_assert(expert_kernel<cuda::tiled_kernel<linear_expert<float>>>);
static_assert(expert_kernel<cuda::tiled_kernel<gptoss_expert<float>, bfloat16>>);

template class llep::cuda::tiled_kernel<linear_expert<float>>;
template class llep::cuda::tiled_kernel<swiglu_expert<double>>;
template class llep::cuda::tiled_kernel<swiglu_expert<float>, bfloat16>;
template class llep::cuda::tiled_kernel<gptoss_expert<float>, half>;

template class llep::cuda::planned_layer<linear_expert<double>>;
template class llep::cuda::planned_layer<swiglu_expert<float>, bfloat16>;
template class llep::cuda::planned_layer<gptoss_expert<float>, half>;

namespace {

template <class Layer, class Row, class Id, class Gate>
void step(cuda::queue& q, Layer& layer,
          std::span<cuda::planned_batch<Row, Id, Gate> const> batches) {
  layer.forward(q, batches);
  if (auto const why = layer.status(q)) throw error(*why);
}

}  // namespace

template <class Family, class Row, class Policy, class Id, class Gate>
void make_and_step(cuda::queue& q, Policy const& policy,
                   std::span<cuda::planned_batch<Row, Id, Gate> const> batches) {
  cuda::planned_layer<Family, Row> layer(Family{}, policy, {}, {}, {});
  step(q, layer, batches);
}

template void make_and_step<linear_expert<double>>(
    cuda::queue&, standard_ep const&,
    std::span<cuda::planned_batch<double, std::int32_t, double> const>);
template void make_and_step<swiglu_expert<float>>(
    cuda::queue&, fallback<least_loaded> const&,
    std::span<cuda::planned_batch<bfloat16, std::int64_t, float> const>);
template void make_and_step<gptoss_expert<float>>(
    cuda::queue&, fallback<least_loaded, per_expert> const&,
    std::span<cuda::planned_batch<half, std::int32_t, float> const>);
