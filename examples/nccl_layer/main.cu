// SPDX-License-Identifier: Apache-2.0
// One MoE layer over all GPUs of this machine, a rank each: nccl_layer
#include <cstdio>
#include <llep/backends/cuda/device.cuh>
#include <llep/backends/cuda/tiled_kernel.cuh>
#include <llep/backends/nccl/local.hpp>
#include <llep/llep.hpp>
#include <llep/testing/on_device.hpp>
#include <random>
#include <vector>

namespace {

constexpr int E = 16, K = 2, T = 512, H = 64, F = 128;  // T tokens a GPU
using kernel = llep::cuda::tiled_kernel<llep::swiglu_expert<float>>;
using gpu = llep::cuda::device<>;
using group = llep::nccl::communicator<gpu>;
template <class N>
using list = llep::testing::on_device<gpu, N>;  // in its memory

std::vector<float> draw(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1F);
  std::vector<float> list(n);
  for (float& value : list) value = normal(random);
  return list;
}

/// A step under a planner's plan.
template <class Planner>
std::vector<float> step(group& ranks, Planner planner) {
  int const me = ranks.rank();
  auto const owner = llep::contiguous_owners(E, ranks.size());
  llep::cuda::queue q;  // or one around your stream
  auto& device = ranks.device();
  list<float> const weights(device, q, draw(E * 3 * H * F, 7));  // all of them, to keep it short
  std::vector<kernel::weight_blocks> mine(E);  // only the own experts' blocks are needed
  for (int e = 0; e < E; ++e)
    if (float const* w = weights.data() + e * 3 * H * F; owner[e] == me)
      mine[e] = {w, w + H * F, w + 2 * H * F};
  kernel ffn({H, F}, mine);
  std::vector<int> chosen(T * K);  // most want experts 0 to 2
  for (int i = 0; i < T * K; ++i) chosen[i] = i % 4 == 0 ? i / 4 % E : i % 3;
  list<float> const x(device, q, draw(T * H, 100 + me));
  list<float> const out(device, q, std::vector<float>(T * H));
  list<float> const gates(device, q, std::vector<float>(T * K, 0.5F));
  list<int> const ids(device, q, chosen);

  auto moe = llep::make_dispatcher<kernel>(q, ranks, owner, planner);
  moe.forward(q, ffn, {x.data(), T, H}, llep::matrix_ref(ids.data(), T, K),
              llep::matrix_ref(gates.data(), T, K), {out.data(), T, H});
  auto const result = out.read();  // waits by device.sync, which ends if another rank fails
  if (me != 0) return result;
  std::vector<long long> rows(ranks.size());
  for (auto const& s : moe.last_plan().spans) rows[s.rank] += s.end - s.begin;
  for (int r = 0; r < ranks.size(); ++r) std::printf("rank %d: %lld rows\n", r, rows[r]);
  for (auto const& m : moe.last_plan().moves)
    std::printf("expert %d: rank %d lends it to rank %d\n", m.expert, m.from, m.to);
  return result;
}

}  // namespace

int main() {
  try {
    llep::nccl::run<gpu>(llep::nccl::all_gpus(), [](group& ranks) {
      if (ranks.rank() == 0) std::puts("standard EP");
      auto const native = step(ranks, llep::standard_ep{});
      if (ranks.rank() == 0) std::puts("LLEP");
      auto const balanced = step(ranks, llep::least_loaded{.min_chunk_rows = 16});
      if (balanced != native) throw llep::error(llep::errc::failed, "LLEP computes otherwise");
      if (ranks.rank() == 0) std::puts("the same, bit by bit");
    });
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
