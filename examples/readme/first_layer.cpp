// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <vector>

int main() {
  constexpr int P = 4, E = 8, K = 2, T = 64, H = 16, F = 32;
  using kernel = llep::loops_kernel<llep::swiglu_expert<float>>;
  std::vector<float> const weights(E * 3 * H * F, 0.01F);  // gate, up, down, expert by expert
  auto const owner = llep::contiguous_owners(E, P);

  llep::emulated::run(P, [&](auto& group) {      // a thread for each of the P ranks
    std::vector<kernel::weight_blocks> mine(E);  // only a rank's own experts are read
    for (int e = 0; e < E; ++e)
      if (float const* w = &weights[e * 3 * H * F]; owner[e] == group.rank())
        mine[e] = {w, w + H * F, w + 2 * H * F};
    kernel ffn({H, F}, mine);

    std::vector<float> x(T * H, 1.0F), gates(T * K, 0.5F), out(T * H);
    std::vector<int> ids(T * K);
    for (int i = 0; i < T * K; ++i) ids[i] = i % K;  // everybody wants experts 0 and 1

    llep::host_device::queue q;
    llep::fallback<llep::least_loaded> policy{llep::least_loaded{.min_chunk_rows = 16}};
    auto moe = llep::make_dispatcher<kernel>(q, group, owner, policy);
    moe.forward(q, ffn, {x.data(), T, H}, llep::matrix_ref(ids.data(), T, K),
                llep::matrix_ref(gates.data(), T, K), {out.data(), T, H});

    if (group.rank() != 0) return;
    for (auto const& m : moe.last_plan().moves)
      std::printf("expert %d: rank %d lends it to rank %d\n", m.expert, m.from, m.to);
  });
}
