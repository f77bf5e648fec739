// SPDX-License-Identifier: Apache-2.0
// Compiled by nvcc against headers of a Kokkos with CUDA, never run: device code of everything.
#include <llep/backends/emulated/run.hpp>
#include <llep/backends/kokkos/device.hpp>
#include <llep/backends/kokkos/kernel.hpp>
#include <llep/llep.hpp>

using namespace llep;

namespace {

using space = Kokkos::Cuda;
using cuda_device = kokkos::device<space>;

static_assert(!cuda_device::host_memory);
static_assert(trains_rows<cuda_device, float, float, float>);
static_assert(trains_rows<cuda_device, double, double, double>);
static_assert(trains_rows<cuda_device, kokkos::bfloat16, float, float>);
static_assert(trains_rows<cuda_device, kokkos::half, double, float>);
static_assert(trainable_kernel<kokkos::kernel<gptoss_expert<float>, space, kokkos::bfloat16>>);

}  // namespace

template class llep::kokkos::device<space>;
template class llep::kokkos::kernel<llep::linear_expert<double>, space>;
template class llep::kokkos::kernel<llep::swiglu_expert<float>, space>;
template class llep::kokkos::kernel<llep::swiglu_expert<float>, space, llep::kokkos::half>;
template class llep::kokkos::kernel<llep::gptoss_expert<float>, space, llep::kokkos::bfloat16>;

/// A layer, forward and backward, on two ranks of one GPU.
template <class Row>
void step(matrix_ref<Row const> hidden, matrix_ref<std::int32_t const> ids,
          matrix_ref<float const> gates, matrix_ref<Row> out, matrix_ref<float> grad_gates) {
  using kernel_type = kokkos::kernel<swiglu_expert<float>, space, Row>;
  emulated::run(
      2, [] { return cuda_device(kokkos::own_instance<space>()); },
      [&](auto& group) {
        auto q = group.device().make_queue();
        auto const owner = contiguous_owners(8, 2);
        auto moe = make_dispatcher<kernel_type>(q, group, owner);
        kernel_type kernel({64, 32}, {}, {});
        auto record = moe.forward(q, kernel, hidden, ids, gates, out, training{});
        moe.backward(q, kernel, record, hidden, out, grad_gates);
      });
}
template void step(matrix_ref<float const>, matrix_ref<std::int32_t const>, matrix_ref<float const>,
                   matrix_ref<float>, matrix_ref<float>);
template void step(matrix_ref<kokkos::bfloat16 const>, matrix_ref<std::int32_t const>,
                   matrix_ref<float const>, matrix_ref<kokkos::bfloat16>, matrix_ref<float>);
