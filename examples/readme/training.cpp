// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>
#include <llep/backends/emulated/run.hpp>
#include <llep/llep.hpp>
#include <utility>
#include <vector>

int main() {  // learns to give back its input; B is the size of a block of an expert's weights
  constexpr int P = 4, E = 8, K = 2, T = 64, H = 16, F = 32, B = H * F;
  using kernel = llep::loops_kernel<llep::swiglu_expert<float>>;
  std::vector<float> weights(E * 3 * B), grads(E * 3 * B);
  for (int i = 0; i < E * 3 * B; ++i) weights[i] = 0.2F * std::sin(float(i));
  auto const owner = llep::contiguous_owners(E, P);

  llep::emulated::run(P, [&](auto& group) {
    std::vector<kernel::weight_blocks> mine(E);
    std::vector<kernel::gradient_blocks> sums(E);  // what gradients of weights are added to
    for (int e = 0; e < E; ++e)
      if (float *w = &weights[e * 3 * B], *g = &grads[e * 3 * B]; owner[e] == group.rank())
        mine[e] = {w, w + B, w + 2 * B}, sums[e] = {g, g + B, g + 2 * B};
    kernel ffn({H, F}, mine, sums);
    std::vector<float> x(T * H), logits(T * E), gates(T * K), out(T * H);
    std::vector<float> grad_x(T * H), grad_gates(T * K), grad_logits(T * E);
    std::vector<int> ids(T * K);
    for (int i = 0; i < T * H; ++i) x[i] = std::sin(0.7F * float(i));
    for (int i = 0; i < T * E; ++i) logits[i] = std::cos(float(i)) - float(i % E);  // uneven
    llep::matrix_ref scores(logits.data(), T, E), by_score(grad_logits.data(), T, E);
    llep::matrix_ref y(out.data(), T, H);
    llep::matrix_ref chosen(ids.data(), T, K);
    llep::matrix_ref gate(gates.data(), T, K), by_gate(grad_gates.data(), T, K);

    llep::host_device::queue q;
    auto moe = llep::make_dispatcher<kernel>(q, group, owner, llep::least_loaded{1.0, 16});
    llep::training_record<llep::host_device, float> record;  // what forward leaves for backward
    for (int step = 0; step < 20; ++step) {
      llep::softmax_top_k{}.forward(scores, chosen, gate);
      record = moe.forward(q, ffn, {x.data(), T, H}, chosen, gate, y, llep::training{});
      float loss = 0;  // half of |out - x|^2, whose gradient by out is out - x: put in its place
      for (int i = 0; i < T * H; ++i) out[i] -= x[i], loss += out[i] * out[i] / 2;
      if (group.rank() == 0) std::printf("step %d: loss %.2f a token\n", step, loss / T);
      moe.backward(q, ffn, record, y, {grad_x.data(), T, H}, by_gate);
      llep::softmax_top_k{}.backward(scores, chosen, by_gate, by_score);
      for (int i = 0; i < T * E; ++i) logits[i] -= 0.01F * grad_logits[i];
      for (int i = 0; i < E * 3 * B; ++i)  // an owner's gradients have its helpers' in them
        if (owner[i / 3 / B] == group.rank()) weights[i] -= 3e-4F * std::exchange(grads[i], 0.F);
    }
  });
}
