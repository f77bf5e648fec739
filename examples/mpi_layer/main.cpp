// SPDX-License-Identifier: Apache-2.0
// One MoE layer on P processes, forward and backward: mpiexec -n 4 mpi_layer
#include <cstdio>
#include <llep/backends/mpi/communicator.hpp>
#include <llep/backends/mpi/run.hpp>
#include <llep/llep.hpp>
#include <random>
#include <vector>

namespace {

constexpr int E = 16, K = 2, T = 512, H = 32, F = 64;  // T tokens a process
using kernel = llep::loops_kernel<llep::swiglu_expert<float>>;
using numbers = std::vector<float>;

numbers draw(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1F);
  numbers list(n);
  for (float& value : list) value = normal(random);
  return list;
}

/// A step under a planner's plan: the output and the gradient by the hidden states.
template <class Planner>
numbers train(llep::mpi::communicator<>& group, Planner planner) {
  int const me = group.rank();
  auto const owner = llep::contiguous_owners(E, group.size());
  numbers weights = draw(E * 3 * H * F, 7), grads(weights.size());  // all of them, to keep it short
  std::vector<kernel::weight_blocks> mine(E);  // only the blocks of the own experts are needed
  std::vector<kernel::gradient_blocks> mine_back(E);
  for (int e = 0; e < E; ++e) {
    if (owner[e] != me) continue;
    float *w = &weights[e * 3 * H * F], *g = &grads[e * 3 * H * F];
    mine[e] = {w, w + H * F, w + 2 * H * F};
    mine_back[e] = {g, g + H * F, g + 2 * H * F};
  }
  kernel ffn({H, F}, mine, mine_back);

  numbers const x = draw(T * H, 100 + me), grad_out = draw(T * H, 200 + me);
  numbers const gates(T * K, 0.5F);
  numbers out(T * H), grad_x(T * H), grad_gates(T * K);
  std::vector<int> ids(T * K);
  for (int i = 0; i < T * K; ++i) ids[i] = i % 4 == 0 ? i / 4 % E : i % 3;  // most want experts 0-2

  llep::host_device::queue q;
  auto moe = llep::make_dispatcher<kernel>(q, group, owner, planner);
  llep::matrix_ref<float const> const gate_rows(gates.data(), T, K);
  auto record = moe.forward(q, ffn, {x.data(), T, H}, llep::matrix_ref(ids.data(), T, K), gate_rows,
                            {out.data(), T, H}, llep::training{});
  moe.backward(q, ffn, record, {grad_out.data(), T, H}, {grad_x.data(), T, H},
               {grad_gates.data(), T, K});

  if (me == 0) {
    std::vector<long long> rows(group.size());
    for (auto const& s : moe.last_plan().spans) rows[s.rank] += s.end - s.begin;
    for (int r = 0; r < group.size(); ++r) std::printf("rank %d: %lld rows\n", r, rows[r]);
    for (auto const& m : moe.last_plan().moves)
      std::printf("expert %d: rank %d lends it to rank %d\n", m.expert, m.from, m.to);
  }
  out.insert(out.end(), grad_x.begin(), grad_x.end());
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  return llep::mpi::run(argc, argv, [](MPI_Comm world) {
    llep::mpi::communicator<> group(world);
    if (group.rank() == 0) std::puts("standard EP");
    auto const native = train(group, llep::standard_ep{});
    if (group.rank() == 0) std::puts("LLEP");
    auto const balanced = train(group, llep::least_loaded{.min_chunk_rows = 16});
    if (balanced != native) throw llep::error(llep::errc::failed, "LLEP computes something else");
    if (group.rank() == 0) std::puts("the same, bit by bit");
  });
}
