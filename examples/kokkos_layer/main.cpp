// SPDX-License-Identifier: Apache-2.0
// An MoE layer over the caller's Kokkos views, forward and backward, on two ranks that are threads.
// All tokens choose expert 0, so rank 0 lends it. Checked against plain sums; loss: |out|^2 / 2.
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include <llep/backends/emulated/run.hpp>
#include <llep/backends/kokkos/device.hpp>
#include <llep/backends/kokkos/kernel.hpp>
#include <llep/backends/kokkos/view.hpp>
#include <llep/llep.hpp>

constexpr int experts = 4, tokens = 96, choices = 2, hidden = 32;
using expert_kernel = llep::kokkos::kernel<llep::linear_expert<float>>;  // y = x W
using llep::kokkos::as_matrix;
// Memory that host and device reach, so that this program can fill and check it anywhere.
template <class T>
using rows = Kokkos::View<T**, Kokkos::LayoutRight, Kokkos::SharedSpace>;
float number(int i) { return static_cast<float>(std::sin(1.7 * i)); }

double largest_error(rows<float> x, rows<int> ids, rows<float> w, rows<float> out, rows<float> gx) {
  double worst = 0;
  for (int t = 0; t < tokens; ++t)
    for (int h = 0; h < hidden; ++h) {
      double y = 0, g = 0;
      for (int k = 0; k < choices; ++k)
        for (int i = 0, e = ids(t, k); i < hidden; ++i) {
          y += 0.5 * x(t, i) * w(e, i * hidden + h);
          g += 0.5 * out(t, i) * w(e, h * hidden + i);
        }
      worst = std::fmax(worst, std::fmax(std::fabs(out(t, h) - y), std::fabs(gx(t, h) - g)));
    }
  return worst;
}

double rank(auto& group) {
  int const me = group.rank();
  auto const owner = llep::contiguous_owners(experts, group.size());
  rows<float> x("x", tokens, hidden), out("out", tokens, hidden), gx("gx", tokens, hidden);
  rows<float> gates("gates", tokens, choices), g_gates("g_gates", tokens, choices);
  rows<int> ids("ids", tokens, choices);
  for (int t = 0; t < tokens; ++t) {
    for (int h = 0; h < hidden; ++h) x(t, h) = number(7 * me + 31 * t + h);
    ids(t, 1) = 1 + (t + me) % (experts - 1);
    gates(t, 0) = gates(t, 1) = 0.5F;
  }
  rows<float> const w("weights", experts, hidden * hidden), gw("gw", experts, hidden * hidden);
  std::vector<std::array<float const*, 1>> native(experts);  // of the experts that are here
  std::vector<std::array<float*, 1>> native_grads(experts);
  for (std::size_t e = 0; e < experts; ++e) {
    for (int i = 0; i < hidden * hidden; ++i) w(e, i) = number(int(e) + i) / hidden;
    if (owner[e] == me) native[e] = {&w(e, 0)};
    if (owner[e] == me) native_grads[e] = {&gw(e, 0)};
  }
  auto q = group.device().make_queue();  // or one around the instance that computes hidden states
  expert_kernel kernel({hidden}, native, native_grads);
  llep::least_loaded const policy{.alpha = 1.0, .min_chunk_rows = 8};
  auto moe = llep::make_dispatcher<expert_kernel>(q, group, owner, policy);
  auto record = moe.forward(q, kernel, as_matrix(x), as_matrix(ids), as_matrix(gates),
                            as_matrix(out), llep::training{});
  moe.backward(q, kernel, record, as_matrix(out), as_matrix(gx), as_matrix(g_gates));
  q.space().fence();
  for (auto const& s : moe.last_plan().spans)
    if (s.rank == me)
      std::printf("rank %d computes %ld rows of expert %d\n", me, long(s.end - s.begin), s.expert);
  for (auto const& m : moe.last_plan().moves)
    if (m.from == me) std::printf("rank %d lends expert %d to rank %d\n", me, m.expert, m.to);
  return largest_error(x, ids, w, out, gx);
}

int main(int argc, char* argv[]) {
  Kokkos::ScopeGuard const kokkos(argc, argv);  // outlives all instances
  double worst[2] = {};
  llep::emulated::run(
      2, [] { return llep::kokkos::device<>(llep::kokkos::own_instance()); },
      [&](auto& group) { worst[std::size_t(group.rank())] = rank(group); });
  std::printf("largest errors %.1e, %.1e\n", worst[0], worst[1]);
  return worst[0] < 1e-5 && worst[1] < 1e-5 ? 0 : 1;
}
