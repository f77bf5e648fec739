// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

#include <llep/llep.hpp>

#include "mpi/ranks.hpp"
#include "support/allocations.hpp"
#include "support/predicted_traffic.hpp"
#include "support/stream_device.hpp"

// Random layers, forward and backward, on real processes. The oracle is the same step on emulated
// ranks: every process has all of it, and checks its own part to the bit.

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::placement;

least_loaded const moves_most{.alpha = 1.0, .min_chunk_rows = 1};

/// This rank's part of forward and backward, once for each way to train, all records alive at once.
template <class Order, class Kernel, class T, class Policy, class Group>
void check_training(Group& group, random_layer<T> const& layer, std::uint64_t seed,
                    Policy const& policy, std::vector<training> const& ways) {
  auto const grad_out = random_grad_out(layer, seed);
  auto const expected =
      train_layer<placement::segments, Order>(layer, grad_out, policy, {training{}})[0];
  auto const mine = all_tokens(layer, group.rank());
  std::vector<gradients<T>> results(ways.size(), expected);
  std::vector<Kernel> kernels;
  for (auto& result : results) {
    forget(layer, group.rank(), result);
    kernels.push_back(training_kernel<Kernel>(layer, group.rank(), result.weights));
  }
  {
    typename Group::device_type::queue q;  // dies first: its work may use all of the above
    dispatcher<Policy, Group, Kernel, Order, checks_thorough> moe(q, group, layer.owner, policy);
    std::vector<training_record<typename Group::device_type, T>> records;
    for (std::size_t i = 0; i < ways.size(); ++i)
      records.push_back(train(layer, mine, moe, q, kernels[i], results[i], ways[i]));
    for (std::size_t i = ways.size(); i-- > 0;)
      go_back(layer, mine, moe, q, kernels[i], records[i], grad_out, results[i]);
    auto done = group.device().make_event();
    group.device().record(done, q);
    group.device().sync(done);
  }
  for (std::size_t i = 0; i < ways.size(); ++i) {
    CAPTURE(ways[i].recompute, ways[i].lend_again, ways[i].resend_outputs);
    CHECK(results[i] == expected);
  }
}

template <class T>
void check_everywhere(std::uint64_t seed) {
  auto const layer = make_world_layer<T>(seed);
  mpi::communicator group(MPI_COMM_WORLD);
  using kernel = swiglu_loops<T>;
  auto const ways = all_trainings();
  check_training<global_order, kernel>(group, layer, seed, standard_ep{}, ways);
  check_training<local_first, kernel>(group, layer, seed, standard_ep{}, {{}});
  check_training<global_order, kernel>(group, layer, seed, moves_most, ways);
  check_training<local_first, kernel>(group, layer, seed, moves_most, ways);
  check_training<local_first, kernel>(group, layer, seed, spread_everywhere{}, ways);
}

TEST_CASE("mpi: random layers give what emulated ranks give, bit by bit", "[mpi]") {
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{cases(12)}));
  CAPTURE(seed);
  if (seed % 3 == 0)
    check_everywhere<float>(seed);
  else
    check_everywhere<double>(seed);
}

TEST_CASE("mpi: one rank has all the tokens, another all the experts", "[mpi]") {
  auto layer = make_world_layer<double>(4);
  auto const last = layer.ranks - 1;
  layer.tokens.assign(at(layer.ranks), 0);
  layer.tokens[at(last)] = 41;
  layer.owner.assign(at(layer.experts), 0);
  std::mt19937_64 random(1);
  fill(layer, random);
  mpi::communicator group(MPI_COMM_WORLD);
  check_training<global_order, swiglu_loops<double>>(group, layer, 1, standard_ep{}, {{}});
  check_training<global_order, swiglu_loops<double>>(group, layer, 1, moves_most, {{}});
}

TEST_CASE("mpi: no tokens anywhere is a step like any other", "[mpi]") {
  auto layer = make_world_layer<double>(5);
  layer.tokens.assign(at(layer.ranks), 0);
  std::mt19937_64 random(1);
  fill(layer, random);
  mpi::communicator group(MPI_COMM_WORLD);
  check_training<global_order, swiglu_loops<double>>(group, layer, 1, moves_most, {{}});
}

TEST_CASE("mpi: messages that go in many parts make no difference", "[mpi]") {
  auto const most = GENERATE(1, 7, 64, 1000);
  CAPTURE(most);
  auto const layer = make_world_layer<double>(6);
  mpi::communicator group(MPI_COMM_WORLD, host_device(), {.most_message_bytes = most});
  check_training<global_order, swiglu_loops<double>>(group, layer, 6, moves_most, {{}});
}

TEST_CASE("mpi: memory that only the device reaches is staged", "[mpi]") {
  auto const seed = GENERATE(range(std::uint64_t{20}, std::uint64_t{24}));
  CAPTURE(seed);
  auto const layer = make_world_layer<double>(seed);
  mpi::communicator group(MPI_COMM_WORLD, stream_device());
  static_assert(
      std::is_same_v<decltype(group), mpi::communicator<stream_device, mpi::access::staged>>);
  using kernel = stream_kernel<swiglu_expert<double>>;
  check_training<global_order, kernel>(group, layer, seed, moves_most, {{}, {true, true, true}});
}

TEST_CASE("mpi: an expert-parallel group may be a part of the job", "[mpi]") {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm part = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &part);
  {
    mpi::communicator group(part);
    auto layer = make_world_layer<double>(7);
    layer.ranks = group.size();
    layer.tokens.assign(at(layer.ranks), 11);
    layer.owner = contiguous_owners(layer.experts, layer.ranks);
    std::mt19937_64 random(static_cast<std::uint64_t>(rank % 2));
    fill(layer, random);
    check_training<global_order, swiglu_loops<double>>(group, layer, 7, moves_most, {{}});
  }
  MPI_Comm_free(&part);
}

TEST_CASE("mpi: a rank sends what plan and pieces say, one message a peer each way", "[mpi]") {
  auto const seed = GENERATE(range(std::uint64_t{30}, std::uint64_t{40}));
  CAPTURE(seed);
  auto const layer = make_world_layer<float>(seed);
  training const how{.lend_again = seed % 2 == 0, .resend_outputs = seed % 3 == 0};
  predicted_traffic<float> const expected(layer, false, moves_most, local_first{});
  mpi::communicator group(MPI_COMM_WORLD);
  llep::counting counter(group);
  using kernel_type = swiglu_loops<float>;
  gradients<float> result(layer);
  auto const grad_out = random_grad_out(layer, seed);
  auto const mine = all_tokens(layer, group.rank());
  auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
  host_device::queue q;
  dispatcher<least_loaded, decltype(counter), kernel_type, local_first> moe(q, counter, layer.owner,
                                                                            moves_most);
  auto const check = [&](traffic_table const& all) {
    auto const me = at(group.rank());
    for (rank_id peer = 0; peer < group.size(); ++peer)
      for (lane const on : {lane::rows, lane::weights}) {
        CAPTURE(peer, on);
        CHECK(counter.sent(peer, on) == all[me][at(peer)][static_cast<std::size_t>(on)]);
        CHECK(counter.received(peer, on) == all[at(peer)][me][static_cast<std::size_t>(on)]);
      }
    counter.reset();
  };
  auto record = train(layer, mine, moe, q, kernel, result, how);
  check(expected.forward());
  go_back(layer, mine, moe, q, kernel, record, grad_out, result);
  check(expected.backward(how));
}

TEST_CASE("mpi: a step like one before allocates nothing of ours", "[mpi]") {
  auto layer = make_world_layer<float>(8);
  layer.tokens.assign(at(layer.ranks), 17);
  std::mt19937_64 random(8);
  fill(layer, random);
  mpi::communicator group(MPI_COMM_WORLD);
  using group_type = decltype(group);
  using kernel_type = swiglu_loops<float>;
  auto const grad_out = random_grad_out(layer, 8);
  auto const mine = all_tokens(layer, group.rank());
  gradients<float> result(layer);
  auto kernel = training_kernel<kernel_type>(layer, group.rank(), result.weights);
  host_device::queue q;
  dispatcher<least_loaded, group_type, kernel_type> moe(q, group, layer.owner, moves_most);
  auto const train_once = [&] {
    auto record = train(layer, mine, moe, q, kernel, result, {.lend_again = true});
    go_back(layer, mine, moe, q, kernel, record, grad_out, result);
  };
  train_once();
  allocations = 0;
  watching = true;
  for (int i = 0; i < 5; ++i) train_once();
  watching = false;
  CHECK(allocations == 0);
}

}  // namespace
