// SPDX-License-Identifier: Apache-2.0
// Compiled by nvcc, never run: the communicator with the real headers, and a layer over it.
#include <llep/backends/nccl/communicator.hpp>  // first: proves it needs no help

#include <cstddef>
#include <vector>

#include <llep/adaptor/counting.hpp>
#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/kernel.cuh>
#include <llep/backends/nccl/bootstrap.hpp>
#include <llep/backends/nccl/local.hpp>
#include <llep/llep.hpp>

using namespace llep;

using gpu = cuda::device<>;
using group = nccl::communicator<gpu>;
using kernel = cuda::kernel<swiglu_expert<float>, cuda::bfloat16>;

static_assert(nccl::gpu_device<gpu>);
static_assert(communicator<group>);
static_assert(communicator<counting<group>>);
static_assert(!nccl::gpu_device<host_device>);

template class llep::nccl::communicator<gpu>;
template class llep::dispatcher<fallback<least_loaded>, group, kernel>;

/// Every way to make lanes.
std::vector<nccl::lanes> make_all_lanes(ncclComm_t users, int ranks, int rank) {
  std::vector<nccl::lanes> made;
  made.push_back(nccl::make_lanes(users));
  made.push_back(nccl::make_lanes(nccl::make_ids(), ranks, rank));
  made.push_back(nccl::make_lanes(ranks, rank, [](void* /*data*/, std::size_t /*bytes*/) {}));
  return made;
}

void run_on_all_gpus() {
  nccl::run<gpu>(nccl::all_gpus(), [](group& ranks) { ranks.progress(); });
}
