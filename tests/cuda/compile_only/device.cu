// SPDX-License-Identifier: Apache-2.0
// Compiled for a GPU and linked, never run: all that the device launches.
#include <llep/backends/cuda/device.cuh>

using namespace llep;
using cuda_device = cuda::device<>;

static_assert(checks_memory<cuda_device>);
static_assert(trains_rows<cuda_device, float, float, float>);
static_assert(trains_rows<cuda_device, double, double, double>);

template class llep::cuda::device<>;

namespace {

template <class Row, class Gate>
void rows(cuda_device& d, cuda::queue& q, Row const* y, std::int32_t const* slots,
          matrix_ref<Gate> gates, matrix_ref<Row> out, Row* packed) {
  d.combine(q, y, slots, matrix_ref<Gate const>(gates), out);
  d.pack_scaled(q, matrix_ref<Row const>(out), matrix_ref<Gate const>(gates), slots, packed);
  d.sum(q, y, slots, gates.cols, out);
  d.gate_gradient(q, y, slots, matrix_ref<Row const>(out), gates);
}

template <class Id>
void ids(cuda_device& d, cuda::queue& q, matrix_ref<Id const> chosen, std::int64_t* counts,
         row_segment const* segments, std::int32_t* slots) {
  d.count(q, chosen, 8, counts, counts);
  d.index(q, chosen, 8, counts, segments, slots);
}

}  // namespace

void llep_compile_device() {
  cuda_device d;
  auto q = d.make_queue();
  rows<float, float>(d, q, nullptr, nullptr, {}, {}, nullptr);
  rows<double, double>(d, q, nullptr, nullptr, {}, {}, nullptr);
  rows<cuda::bfloat16, float>(d, q, nullptr, nullptr, {}, {}, nullptr);
  rows<cuda::half, float>(d, q, nullptr, nullptr, {}, {}, nullptr);
  ids<std::int32_t>(d, q, {}, nullptr, nullptr, nullptr);
  ids<std::int64_t>(d, q, {}, nullptr, nullptr, nullptr);
  d.pack(q, nullptr, 16, 16, 1, nullptr, 0, nullptr);
  d.move_rows(q, nullptr, 16, nullptr, 0, nullptr);
  d.accumulate<float>(q, nullptr, 0, nullptr);
  d.accumulate<double>(q, nullptr, 0, nullptr);
}
