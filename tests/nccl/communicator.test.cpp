// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/nccl/communicator.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <llep/adaptor/counting.hpp>
#include <llep/backends/nccl/bootstrap.hpp>
#include <llep/testing/communicator.hpp>

#include "nccl/on_gpus.hpp"

// How communicators come to be, and what they refuse, on NCCL's stand-in.

namespace {

using namespace llep;
using namespace llep::testing;

/// The communicator, and what check_communicator thinks of it; then it ends.
void check_group(nccl::lanes of, int gpu_number) {
  gpu_group first(std::move(of), gpu(gpu_number));
  gpu_group group(std::move(first));
  auto q = group.device().make_queue();
  check_communicator(group, q, 3);
}

void check_nobody_threw(std::vector<std::exception_ptr> const& thrown) {
  for (auto const& what : thrown) CHECK(words_of(what).empty());
}

TEST_CASE("nccl: lanes are made by ids that all ranks are told", "[nccl]") {
  nothing_left const at_the_end;
  auto const destroyed = nccl_on_host::counts().destroys.load();
  check_nobody_threw(run_apart(3, [](rank_id rank, nccl::lanes of) {
    must(of.rank() == rank && of.size() == 3 && of.device() == rank, "lanes tell who they are");
    check_group(std::move(of), rank);
  }));
  CHECK(nccl_on_host::counts().destroys == destroyed + 9);  // and none was aborted
}

/// As MPI_Bcast, for threads.
struct broadcast {
  std::mutex guard;
  std::condition_variable changed;
  std::vector<std::byte> told;

  void operator()(rank_id rank, void* data, std::size_t bytes) {
    std::unique_lock held(guard);
    auto* const begin = static_cast<std::byte*>(data);
    if (rank == 0) told.assign(begin, begin + bytes);
    changed.notify_all();
    changed.wait(held, [&] { return !told.empty(); });
    std::memcpy(data, told.data(), bytes);
  }
};

/// Each of two ranks: what it throws while lanes are made by way of a broadcast, and after.
template <class Prepare>
std::array<std::string, 2> made_by_broadcast(Prepare prepare) {
  (void)gpus(2);
  broadcast all;
  std::array<std::string, 2> said;
  std::vector<std::thread> threads;
  for (rank_id rank = 0; rank < 2; ++rank)
    threads.emplace_back([&, rank] {
      cudaSetDevice(rank);
      prepare(rank);
      said[static_cast<std::size_t>(rank)] = refusal(
          [&] {
            auto const send = [&](void* p, std::size_t n) { all(rank, p, n); };
            check_group(nccl::make_lanes(2, rank, send), rank);
          },
          errc::communication);
    });
  for (std::thread& t : threads) t.join();
  return said;
}

TEST_CASE("nccl: lanes are made by way of a broadcast", "[nccl]") {
  nothing_left const at_the_end;
  for (auto const& said : made_by_broadcast([](rank_id) {})) CHECK(said.empty());
}

TEST_CASE("nccl: where rank 0 can't make an id all ranks are told", "[nccl]") {
  nothing_left const at_the_end;
  auto const said = made_by_broadcast([](rank_id rank) {
    if (rank == 0) nccl_on_host::fail_call_here(2, ncclSystemError, "ncclGetUniqueId");
  });
  for (auto const& told : said) CHECK(told.starts_with("rank 0: nccl: making an id: unhandled"));
}

TEST_CASE("nccl: lanes are split off a communicator of yours, which stays", "[nccl]") {
  nothing_left const at_the_end;
  auto const all = gpus(3);
  std::array<ncclComm_t, 3> users{};
  REQUIRE(ncclCommInitAll(users.data(), 3, all.data()) == ncclSuccess);
  std::vector<std::thread> threads;
  for (int const rank : all)
    threads.emplace_back([&, rank] {
      cudaSetDevice(rank);
      check_group(nccl::make_lanes(users[static_cast<std::size_t>(rank)]), rank);
    });
  for (std::thread& t : threads) t.join();
  for (ncclComm_t const c : users) CHECK(ncclCommDestroy(c) == ncclSuccess);
}

TEST_CASE("nccl: a communicator of yours that doesn't block is split, too", "[nccl]") {
  nothing_left const at_the_end;
  check_nobody_threw(run_apart(
      3, [](rank_id rank, nccl::lanes of) { check_group(nccl::make_lanes(of.handle(0)), rank); }));
}

TEST_CASE("nccl: a split that fails leaves nothing", "[nccl]") {
  nothing_left const at_the_end;
  auto const thrown = run_apart(2, [](rank_id, nccl::lanes of) {
    nccl_on_host::fail_call_here(2, ncclInternalError, "ncclCommSplit");
    (void)nccl::make_lanes(of.handle(0));
  });
  for (auto const& what : thrown)
    CHECK(words_of(what).find("nccl: splitting off weights: internal error") != std::string::npos);
}

TEST_CASE("nccl: lanes of other ranks, sizes or GPUs than each other's are refused", "[nccl]") {
  nothing_left const at_the_end;
  (void)gpus(2);
  auto const alone = [](int gpu_number) {
    cudaSetDevice(gpu_number);
    ncclComm_t made = nullptr;
    CHECK(ncclCommInitAll(&made, 1, &gpu_number) == ncclSuccess);
    return nccl::comm(made);
  };
  auto const make = [](auto... comms) {
    return refusal([&] { nccl::lanes const of({std::move(comms)...}); }, errc::invalid_argument);
  };
  CHECK(make(alone(0), alone(1), alone(0)) ==
        "nccl: lanes must be the same rank of the same number of ranks on one GPU: rows 0 of 1 on "
        "GPU 0, weights 0 of 1 on GPU 1, all_gather 0 of 1 on GPU 0");
  CHECK(make(alone(0), nccl::comm(), alone(0)) == "nccl: a lane needs a communicator");
  std::array<ncclComm_t, 2> pair{};
  REQUIRE(ncclCommInitAll(pair.data(), 2, nullptr) == ncclSuccess);
  nccl::comm other(pair[1]);
  CHECK(make(alone(0), nccl::comm(pair[0]), alone(0)).find("weights 0 of 2") != std::string::npos);
  cudaSetDevice(0);
}

TEST_CASE("nccl: lanes of another GPU than the device's are refused", "[nccl]") {
  nothing_left const at_the_end;
  (void)gpus(2);
  CHECK(refusal([] { gpu_group const group(nccl::make_lanes(nccl::make_ids(), 1, 0), gpu(1)); },
                errc::invalid_argument) == "nccl: the lanes are of GPU 0, the device is GPU 1");
}

/// A group of one rank.
struct alone {
  gpu_group group{nccl::make_lanes(nccl::make_ids(), 1, 0), gpu(0)};
  gpu::queue q = group.device().make_queue();
};

TEST_CASE("nccl: a message that breaks the contract is refused before anything is sent", "[nccl]") {
  nothing_left const at_the_end;
  auto const sent = nccl_on_host::counts().messages.load();
  check_nobody_threw(run_apart(2, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank));
    auto q = group.device().make_queue();
    std::byte data{};
    auto const refused = [&](incoming const& m, std::int64_t element_bytes) {
      outgoing const out{m.peer, m.data, m.count};
      auto const post = [&](auto sends, auto receives) {
        return refusal([&] { (void)group.post(q, lane::rows, sends, receives, element_bytes); },
                       errc::invalid_argument) ==
               "rank " + std::to_string(rank) +
                   ": nccl: a message has a bad peer, count, data or element size";
      };
      return post(std::span(&out, 1), std::span<incoming const>()) &&
             post(std::span<outgoing const>(), std::span(&m, 1));
    };
    auto const peer = 1 - rank;
    constexpr auto huge = std::int64_t{1} << 62;
    std::vector<std::pair<incoming, std::int64_t>> const bad{
        {{rank, &data, 1}, 1},    {{2, &data, 1}, 1},    {{-1, &data, 1}, 1},
        {{peer, nullptr, 1}, 1},  {{peer, &data, 0}, 1}, {{peer, &data, 1}, 0},
        {{peer, &data, huge}, 2},
    };
    for (std::size_t i = 0; i < bad.size(); ++i)
      must(refused(bad[i].first, bad[i].second), "bad message " + std::to_string(i));
    check_communicator(group, q, 9);  // and the group goes on
  }));
  CHECK(nccl_on_host::counts().messages > sent);
}

TEST_CASE("nccl: a bad all_gather, and a queue of another GPU, are refused", "[nccl]") {
  nothing_left const at_the_end;
  (void)gpus(2);
  alone me;
  std::int64_t word = 0;
  auto const refused = [&](gpu::queue& q, std::int64_t const* in, std::int64_t n) {
    return refusal([&] { me.group.all_gather(q, in, &word, n); }, errc::invalid_argument);
  };
  CHECK(refused(me.q, &word, -1) ==
        "rank 0: nccl: all_gather takes 0 words or more, and memory for them");
  CHECK_FALSE(refused(me.q, nullptr, 1).empty());
  CHECK(refused(me.q, nullptr, 0).empty());
  auto elsewhere = gpu(1).make_queue();
  CHECK(refused(elsewhere, &word, 1) == "rank 0: nccl: a queue of another GPU than the lanes'");
  CHECK(refusal([&] { (void)me.group.post(elsewhere, lane::rows, {}, {}, 1); },
                errc::invalid_argument) == "rank 0: nccl: a queue of another GPU than the lanes'");
  CHECK_NOTHROW(check_communicator(me.group, me.q, 1));
}

TEST_CASE("nccl: a ticket is waited for once", "[nccl]") {
  nothing_left const at_the_end;
  (void)gpus(1);
  alone me;
  auto posted = me.group.post(me.q, lane::rows, {}, {}, 4);
  auto moved = std::move(posted);
  me.group.wait(me.q, std::move(moved));
  CHECK(refusal([&] { me.group.wait(me.q, std::move(posted)); }, errc::invalid_argument) ==
        "rank 0: nccl: a ticket is waited for once");
}

TEST_CASE("nccl: what is refused while a post is under way takes the group down", "[nccl]") {
  nothing_left const at_the_end;
  (void)gpus(1);
  alone me;
  auto posted = me.group.post(me.q, lane::rows, {}, {}, 4);
  auto const told =
      refusal([&] { me.group.all_gather(me.q, nullptr, nullptr, -1); }, errc::invalid_argument);
  CHECK_FALSE(told.empty());
  CHECK(refusal([&] { me.group.wait(me.q, std::move(posted)); }, errc::invalid_argument) == told);
}

TEST_CASE("nccl: counting stands around it", "[nccl]") {
  nothing_left const at_the_end;
  check_nobody_threw(run_apart(2, [](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank));
    counting counted(group);
    auto q = group.device().make_queue();
    check_communicator(counted, q, 5);
    must(counted.sent(lane::rows).bytes + counted.sent(lane::weights).bytes > 0, "it counts");
  }));
}

}  // namespace
