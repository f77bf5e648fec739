// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <llep/backends/mpi/communicator.hpp>
#include <llep/backends/mpi/run.hpp>
#include <llep/llep.hpp>

#include "../core_probe.hpp"
#include "layer.hpp"
#include "serial_weights.hpp"

// Wall clock of a forward step on processes, a thread each: standard EP, LLEP, and LLEP whose
// weights are waited for before rows are posted, by turns in one run.
//   mpiexec -n 2 llep_bench_mpi_step [--repeat N] [--hot N] [--share PERCENT] [--json]

namespace llep::bench {
namespace {

using group_type = mpi::communicator<>;

struct settings {
  int repeat = 21;
  std::int32_t hot = 1;
  std::vector<double> shares{0, 0.5, 0.8, 0.95};
  bool json = false;
};

struct result {
  double share;
  double ep_ms, llep_ms, serial_ms;  // medians
  double bound;                      // max / mean of native rank loads
  std::int64_t moves;
};

struct machine {
  double probe_before, probe_after, gemm, load_average;
  [[nodiscard]] double probe() const { return std::min(probe_before, probe_after); }
  [[nodiscard]] bool valid() const { return probe() >= 1.85; }
};

double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Rank 0's probe; the others sleep meanwhile.
double probe_cores(MPI_Comm world) {
  int rank = 0;
  MPI_Comm_rank(world, &rank);
  double cores = rank == 0 ? two_core_probe() : 0;
  MPI_Request known = MPI_REQUEST_NULL;
  MPI_Ibcast(&cores, 1, MPI_DOUBLE, 0, world, &known);
  for (int done = 0; done == 0;) {
    MPI_Test(&known, &done, MPI_STATUS_IGNORE);
    std::this_thread::sleep_for(std::chrono::milliseconds(done == 0 ? 5 : 0));
  }
  return cores;
}

/// From when all are here until all are done.
template <class F>
double milliseconds(MPI_Comm world, F f) {
  MPI_Barrier(world);
  double const before = MPI_Wtime();
  f();
  MPI_Barrier(world);
  return (MPI_Wtime() - before) * 1e3;
}

double bound_of(problem const& in) {
  std::vector<row_count> rows(static_cast<std::size_t>(in.ranks), 0);
  row_count all = 0;
  for (std::size_t e = 0; e < in.owner.size(); ++e) {
    rows[static_cast<std::size_t>(in.owner[e])] += in.load[e];
    all += in.load[e];
  }
  return static_cast<double>(*std::max_element(rows.begin(), rows.end()) * in.ranks) /
         static_cast<double>(all);
}

result measure(MPI_Comm world, group_type& group, layer& in, routing const& routed, int repeat) {
  host_device::queue q;
  serial_weights serial(group);
  auto const ids = routed.ids(17 + static_cast<std::uint64_t>(group.rank()));
  auto ep = make_dispatcher<kernel_type>(q, group, in.owner, standard_ep{});
  auto llep = make_dispatcher<kernel_type>(q, group, in.owner);
  auto waiting = make_dispatcher<kernel_type>(q, serial, in.owner);
  std::array<std::vector<double>, 3> taken;
  auto const step = [&](std::size_t i, auto& moe, int round) {
    double const ms = milliseconds(world, [&] {
      moe.forward(q, in.kernel, matrix_ref<float const>(in.x.data(), tokens, hidden),
                  matrix_ref(ids.data(), tokens, choices),
                  matrix_ref(in.gates.data(), tokens, choices),
                  matrix_ref(in.out.data(), tokens, hidden));
    });
    if (round >= 0) taken[i].push_back(ms);
  };
  for (int round = -2; round < repeat; ++round) {  // the first ones don't count
    step(0, ep, round);
    step(1, llep, round);
    step(2, waiting, round);
  }
  return {routed.share,
          median(taken[0]),
          median(taken[1]),
          median(taken[2]),
          bound_of(llep.last_problem()),
          std::ssize(llep.last_plan().moves)};
}

double best_product(MPI_Comm world) {
  double best = product_rate(200, [] { return MPI_Wtime(); });
  MPI_Allreduce(MPI_IN_PLACE, &best, 1, MPI_DOUBLE, MPI_MAX, world);
  return best;
}

void print_json(settings const& how, machine const& on, std::vector<result> const& all) {
  std::printf("{\"hot\": %d, \"repeat\": %d, \"probe_before\": %.3f, \"probe_after\": %.3f, ",
              static_cast<int>(how.hot), how.repeat, on.probe_before, on.probe_after);
  std::printf("\"T\": %lld, \"H\": %lld, \"F\": %lld, \"E\": %d, \"K\": %lld, ",
              static_cast<long long>(tokens), static_cast<long long>(hidden),
              static_cast<long long>(inner), static_cast<int>(experts),
              static_cast<long long>(choices));
  std::printf("\"valid\": %s, \"gemm_gflops\": %.1f, \"load_average\": %.2f, \"results\": [",
              on.valid() ? "true" : "false", on.gemm / 1e9, on.load_average);
  for (result const& r : all)
    std::printf(
        "%s{\"share\": %.2f, \"bound\": %.3f, \"moves\": %lld, \"ep_ms\": %.2f, "
        "\"llep_ms\": %.2f, \"serial_ms\": %.2f}",
        &r == all.data() ? "" : ", ", r.share, r.bound, static_cast<long long>(r.moves), r.ep_ms,
        r.llep_ms, r.serial_ms);
  std::printf("]}\n");
}

void print_table(settings const& how, machine const& on, std::vector<result> const& all) {
  double const floor_ms = flop_per_rank / on.gemm * 1e3;
  std::printf("forward, 2 processes, T %lld a rank, H = F = %lld, E %d, K %lld, float\n",
              static_cast<long long>(tokens), static_cast<long long>(hidden),
              static_cast<int>(experts), static_cast<long long>(choices));
  std::printf("medians of %d, by turns; shares go to the first %d experts\n", how.repeat,
              static_cast<int>(how.hot));
  std::printf("two-core probe %.2f before, %.2f after: %s; load average %.2f\n", on.probe_before,
              on.probe_after, on.valid() ? "valid" : "INVALID, below 1.85", on.load_average);
  std::printf("best product %.1f GFLOP/s; %.1f GFLOP a rank take %.1f ms at that rate\n\n",
              on.gemm / 1e9, flop_per_rank / 1e9, floor_ms);
  std::printf("share  bound  moves    EP ms  LLEP ms  speedup  wanted  LLEP/floor  serial ms\n");
  for (result const& r : all)
    std::printf("%4.0f%%   %5.3f  %5lld  %7.1f  %7.1f  %6.3fx  %5.3fx  %9.3fx  %9.1f\n",
                r.share * 100, r.bound, static_cast<long long>(r.moves), r.ep_ms, r.llep_ms,
                r.ep_ms / r.llep_ms, 0.93 * r.bound * on.probe() / 2, r.llep_ms / floor_ms,
                r.serial_ms);
}

settings read(int argc, char** argv) {
  settings how;
  for (int i = 1; i < argc; ++i) {
    bool const more = i + 1 < argc;
    if (std::strcmp(argv[i], "--json") == 0)
      how.json = true;
    else if (more && std::strcmp(argv[i], "--repeat") == 0)
      how.repeat = std::atoi(argv[++i]);
    else if (more && std::strcmp(argv[i], "--hot") == 0)
      how.hot = std::atoi(argv[++i]);
    else if (more && std::strcmp(argv[i], "--share") == 0)
      how.shares = {std::atof(argv[++i]) / 100};
    else
      throw error(errc::invalid_argument, std::string("no such option: ") + argv[i]);
  }
  expects(how.repeat >= 1, "--repeat must be at least 1");
  expects(how.shares[0] >= 0 && how.shares[0] <= 1, "--share must be from 0 to 100");
  expects(how.hot >= 1 && how.hot < experts, "--hot must be from 1 to 31");
  return how;
}

void run(MPI_Comm world, int argc, char** argv) {
  settings const how = read(argc, argv);
  group_type group(world);
  expects(group.size() == 2, "this is for two processes");
  machine on{};
  double load[1] = {};
  on.load_average = getloadavg(load, 1) == 1 ? load[0] : 0;
  on.probe_before = probe_cores(world);
  on.gemm = best_product(world);
  layer in(group.rank(), group.size());
  std::vector<result> all;
  for (double const share : how.shares)
    all.push_back(measure(world, group, in, {share, how.hot}, how.repeat));
  on.gemm = std::max(on.gemm, best_product(world));
  on.probe_after = probe_cores(world);
  if (group.rank() == 0) (how.json ? print_json : print_table)(how, on, all);
}

}  // namespace
}  // namespace llep::bench

int main(int argc, char** argv) {
  return llep::mpi::run(argc, argv, [&](MPI_Comm world) { llep::bench::run(world, argc, argv); });
}
