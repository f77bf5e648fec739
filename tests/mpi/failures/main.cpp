// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <llep/backends/mpi/communicator.hpp>
#include <llep/backends/mpi/run.hpp>
#include <llep/llep.hpp>

#include "support/random_gradients.hpp"

// Jobs that end badly, one a scenario, for check.cmake to look at from outside. 8 processes.

namespace {

using namespace llep;
using namespace llep::testing;

using group_type = mpi::communicator<>;

/// Does something else in its second forward, where the step is half done.
class surprising_kernel : public swiglu_loops<double> {
 public:
  surprising_kernel(swiglu_loops<double> good, std::function<void()> surprise)
      : swiglu_loops<double>(std::move(good)), surprise_(std::move(surprise)) {}

  using swiglu_loops<double>::forward;
  void forward(host_device::queue& q, std::span<row_group<3> const> groups, double const* x,
               double* y, void* work) {
    if (++calls_ == 2) surprise_();
    swiglu_loops<double>::forward(q, groups, x, y, work);
  }

 private:
  std::function<void()> surprise_;
  int calls_ = 0;
};

/// A layer of which rank `who` does something else.
struct job {
  random_layer<double> layer = eight_ranks(60);
  group_type group{MPI_COMM_WORLD};
  gradients<double> results{layer};
  host_device::queue q{};
  surprising_kernel kernel;
  dispatcher<least_loaded, group_type, surprising_kernel> moe{
      q, group, layer.owner, least_loaded{.alpha = 1.0, .min_chunk_rows = 1}};

  explicit job(
      rank_id who = no_rank, std::function<void()> surprise = [] {})
      : kernel(
            training_kernel<swiglu_loops<double>>(layer, group.rank(), results.weights),
            group.rank() == who ? std::move(surprise) : [] {}) {}

  void forward() { step(layer, group.rank(), moe, q, kernel, results.out); }
};

/// Says on standard error how long f took to throw.
template <class F>
void timed(F f) {
  auto const before = std::chrono::steady_clock::now();
  try {
    f();
  } catch (...) {
    std::chrono::duration<double, std::milli> const taken =
        std::chrono::steady_clock::now() - before;
    std::fprintf(stderr, "refused after %lld ms\n", static_cast<long long>(taken.count()));
    throw;
  }
}

void bad_ids() {
  job all;
  all.forward();
  if (all.group.rank() == 3) all.layer.ids[at((all.layer.first_token(3) + 4) * 2 + 1)] = 99;
  timed([&] { all.forward(); });
}

void other_call() {
  job all;
  auto const mine = all_tokens(all.layer, all.group.rank());
  auto record = train(all.layer, mine, all.moe, all.q, all.kernel, all.results, training{});
  auto const grad_out = random_grad_out(all.layer, 1);
  timed([&] {
    if (all.group.rank() == 6)
      go_back(all.layer, mine, all.moe, all.q, all.kernel, record, grad_out, all.results);
    else
      all.forward();
  });
}

void throwing_kernel() {
  job(5, [] { throw std::runtime_error("the kernel broke"); }).forward();
}

void killed() {
  job(2, [] { std::raise(SIGKILL); }).forward();
}

void lone_exception() {
  job all;
  if (all.group.rank() == 4) throw std::runtime_error("my own trouble");
  all.forward();
}

/// Rank 0 sends `sent` bytes to rank 1, which expects 300, in parts of 100.
void unequal(std::int64_t sent, bool waits) {
  std::vector<std::byte> buffer(300);
  group_type group(MPI_COMM_WORLD, host_device(), {.most_message_bytes = 100});
  host_device::queue q;
  std::vector<outgoing> sends;
  std::vector<incoming> receives;
  if (group.rank() == 0) sends.push_back({1, buffer.data(), sent});
  if (group.rank() == 1) receives.push_back({0, buffer.data(), 300});
  auto posted = group.post(q, lane::rows, sends, receives, 1);
  if (!waits && group.rank() == 1) return;
  try {
    group.wait(q, std::move(posted));
  } catch (...) {
    (void)group.abort(current_error(group.rank()));
  }
  std::int64_t word = 0;
  std::int64_t all[8] = {};
  group.all_gather(q, &word, all, 1);
}

/// To rank 1 comes a message that is too short while another one is still to come. Were it told so,
/// it would take the memory of both for its own again.
void late_message() {
  std::vector<std::byte> first(24);
  std::vector<std::byte> second(24);
  group_type group(MPI_COMM_WORLD);
  host_device::queue q;
  std::int64_t const length = group.rank() == 0 ? 12 : 24;
  auto const post = [&](lane on, std::vector<std::byte>& buffer) {
    outgoing const send{1, buffer.data(), length};
    incoming const receive{0, buffer.data(), length};
    return group.post(q, on, {&send, group.rank() == 0 ? 1U : 0U},
                      {&receive, group.rank() == 1 ? 1U : 0U}, 1);
  };
  if (group.rank() > 1) return;
  auto posted = post(lane::rows, first);
  if (group.rank() == 0) return group.wait(q, std::move(posted));
  auto other = post(lane::weights, second);
  try {
    group.wait(q, std::move(posted));
  } catch (...) {  // not reached
  }
}

void thrown_between() {
  std::vector<std::byte> buffer(24);
  group_type group(MPI_COMM_WORLD);
  host_device::queue q;
  incoming const receive{0, buffer.data(), 24};
  auto posted = group.post(q, lane::rows, {}, {&receive, group.rank() == 1 ? 1U : 0U}, 1);
  if (group.rank() == 1) throw std::runtime_error("my own trouble");
  group.wait(q, std::move(posted));
}

std::map<std::string, void (*)()> const scenarios{
    {"bad_ids", bad_ids},
    {"other_call", other_call},
    {"throwing_kernel", throwing_kernel},
    {"killed", killed},
    {"lone_exception", lone_exception},
    {"missing_parts", [] { unequal(200, true); }},
    {"not_waited_for", [] { unequal(300, false); }},
    {"late_message", late_message},
    {"thrown_between", thrown_between},
};

}  // namespace

int main(int argc, char** argv) {
  return llep::mpi::run(argc, argv,
                        [&](MPI_Comm /*world*/) { scenarios.at(argc > 1 ? argv[1] : "")(); });
}
