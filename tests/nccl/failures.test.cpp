// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <llep/testing/communicator.hpp>
#include <llep/testing/on_device.hpp>

#include "nccl/on_gpus.hpp"

// What ends in another way than it should have, on NCCL's stand-in: nobody waits for ever, and all
// are told the same.

namespace {

using namespace llep;
using namespace llep::testing;
using namespace std::chrono_literals;
using words = on_device<gpu, std::int64_t>;
using clock = std::chrono::steady_clock;

/// Memory and calls of one rank.
struct caller {
  gpu_group& group;
  gpu::queue q = group.device().make_queue();
  words in{group.device(), q, {group.rank()}};
  words out{group.device(), q, std::vector<std::int64_t>(static_cast<std::size_t>(group.size()))};
  host_waits waiting{group};

  void gather() { waiting.all_gather(q, in.data(), out.data(), 1); }
  auto receive(rank_id from, lane on = lane::rows) {
    incoming const wanted{from, reinterpret_cast<std::byte*>(out.data()), 8};
    return group.post(q, on, {}, {&wanted, 1}, 1);
  }
  auto send(rank_id to, std::int64_t bytes = 8, lane on = lane::rows) {
    outgoing const sent{to, reinterpret_cast<std::byte const*>(in.data()), bytes};
    return group.post(q, on, {&sent, 1}, {}, 1);
  }
};

/// All ranks have thrown this.
void check_all_say(std::vector<std::exception_ptr> const& by_rank, std::string const& expected) {
  for (auto const& thrown : by_rank) CHECK(words_of(thrown) == expected);
}
void check_all_say(nccl::outcome const& ends, std::string const& expected) {
  check_all_say(ends.by_rank, expected);
}

TEST_CASE("nccl: what NCCL meets on one rank all ranks are told at once", "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const began = clock::now();
  auto const ends = nccl::try_run<gpu>(gpus(3), [](gpu_group& group) {
    caller me{group};
    me.gather();
    if (group.rank() == 0) nccl_on_host::knobs().failing_rank = 1;
    if (group.rank() == 2) return group.wait(me.q, me.receive(0)), me.gather();  // 0 never sends
    for (;;) me.gather();
  });
  auto const told = words_of(ends.first);  // by any lane
  CHECK(told.starts_with("rank 1: nccl: "));
  CHECK(told.ends_with(": unhandled system error (an injected asynchronous error)"));
  check_all_say(ends, told);
  CHECK(clock::now() - began < 10s);
}

TEST_CASE("nccl: progress, post and wait look for what NCCL has met", "[nccl][failures]") {
  int const call = GENERATE(0, 1, 2, 3);
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(gpus(1), [&](gpu_group& group) {
    caller me{group};
    auto posted = group.post(me.q, lane::rows, {}, {}, 1);
    nccl_on_host::knobs().failing_rank = 0;
    if (call == 0) group.progress();
    if (call == 1) (void)group.post(me.q, lane::rows, {}, {}, 1);
    if (call == 2) group.wait(me.q, std::move(posted));
    if (call == 3) group.all_gather(me.q, me.in.data(), me.out.data(), 1);
  });
  check_all_say(ends,
                "rank 0: nccl: rows: unhandled system error (an injected asynchronous error)");
}

TEST_CASE("nccl: a rank that stays away is waited for until the timeout", "[nccl][failures]") {
  bool const connected = GENERATE(false, true);
  CAPTURE(connected);
  nothing_left const at_the_end;
  auto const timeout = connected ? 2000ms : 200ms;  // within it they must have connected
  auto const board = std::make_shared<nccl::failure_board>();
  std::atomic<int> waiting{2};
  auto const began = clock::now();
  auto const thrown = run_apart(3, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank), {.timeout = timeout, .board = board});
    caller me{group};
    if (connected) me.gather();
    if (rank == 1) {
      while (waiting > 0) std::this_thread::sleep_for(1ms);
      group.progress();
    }
    try {
      me.gather();
    } catch (...) {
      --waiting;
      throw;
    }
  });
  REQUIRE(board->cause());
  std::string const told = board->cause()->what();
  CHECK(told.find("nccl: waited " + std::to_string(timeout.count()) +
                  " ms for what the peers should do; calls so far: 0 of rows, 0 of weights, " +
                  std::to_string(connected ? 2 : 1) + " of all_gather") != std::string::npos);
  check_all_say(thrown, told);
  CHECK(clock::now() - began >= timeout);
  CHECK(clock::now() - began < 30s);
}

TEST_CASE("nccl: a rank that isn't even there is waited for until the timeout",
          "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const ids = nccl::make_ids();
  CHECK(
      refusal([&] { (void)nccl::make_lanes(ids, 2, 0, {.timeout = 50ms}); }, errc::communication) ==
      "nccl: the other ranks didn't come to make a lane within 50 ms");
}

TEST_CASE("nccl: lanes that are there go though the peers don't come for the next",
          "[nccl][failures]") {
  nothing_left const at_the_end;
  nccl_on_host::knobs().aborts_wait_for_peers = true;
  (void)gpus(2);
  auto const ids = nccl::make_ids();
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  nccl::comm peer;  // comes for rows, and never aborts while we wait
  cuda::check(cudaSetDevice(1), "cudaSetDevice");
  CHECK(ncclCommInitRankConfig(peer.place(), 2, ids[0], 1, &config) == ncclInProgress);
  cuda::check(cudaSetDevice(0), "cudaSetDevice");
  auto const board = std::make_shared<nccl::failure_board>();
  nccl::options const how{.timeout = 50ms, .grace = 50ms, .board = board};
  auto const told = refusal([&] { (void)nccl::make_lanes(ids, 2, 0, how); }, errc::communication);
  CHECK(told == "nccl: the other ranks didn't come to make a lane within 50 ms");
  CHECK(nccl_on_host::counts().communicators == 2);  // rows, of both
  REQUIRE(board->cause());
  CHECK(board->cause()->what() == "rank 0: " + told);
}

TEST_CASE("nccl: a communicator that can't be made tells the others, and doesn't wait for them",
          "[nccl][failures]") {
  bool const refused = GENERATE(false, true);  // by CUDA, or of another GPU
  nothing_left const at_the_end;
  nccl_on_host::knobs().aborts_wait_for_peers = true;
  auto const board = std::make_shared<nccl::failure_board>();
  std::atomic<bool> through{false};
  std::string at_rank_1;
  auto const began = clock::now();
  auto const thrown = run_apart(2, [&](rank_id rank, nccl::lanes of) {
    if (rank == 1) {
      while (!through) std::this_thread::sleep_for(1ms);
      if (board->cause()) at_rank_1 = board->cause()->what();
      return;
    }
    try {
      gpu own(refused ? 0 : 1);
      if (refused) cuda_on_host::fail_call_here(1, cudaErrorUnknown, "cudaStreamCreateWithFlags");
      gpu_group const group(std::move(of), std::move(own), {.grace = 50ms, .board = board});
    } catch (...) {
      through = true;
      throw;
    }
    through = true;
  });
  auto const told = words_of(thrown[0]);
  CHECK(told.find(refused
                      ? "cudaStreamCreate"
                      : "nccl: the lanes are of GPU 0, the device is GPU 1") != std::string::npos);
  CHECK(at_rank_1.ends_with(told));
  CHECK(clock::now() - began < 9s);  // not for the lanes' own grace, either
  CHECK(at_rank_1.starts_with("rank 0: "));
}

TEST_CASE("nccl: a rank that is done waits for those that aren't, however long",
          "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const thrown = run_apart(2, [](rank_id rank, nccl::lanes of) {
    gpu_group const group(std::move(of), gpu(rank), {.timeout = 100ms});
    if (rank == 1) std::this_thread::sleep_for(300ms);
  });
  check_all_say(thrown, "");
}

TEST_CASE("nccl: the GPU is given a timeout of its own after ranks have connected",
          "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const board = std::make_shared<nccl::failure_board>();
  auto const thrown = run_apart(2, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank), {.timeout = 2500ms, .board = board});
    caller me{group};
    auto const slow = [](void*) { std::this_thread::sleep_for(1500ms); };
    if (rank == 1) {
      slow(nullptr);  // the host comes late to connect, and then its GPU to gather
      cuda::check(cudaLaunchHostFunc(me.q.stream(), slow, nullptr), "cudaLaunchHostFunc");
    }
    me.gather();
  });
  check_all_say(thrown, "");
}

TEST_CASE("nccl: a body that throws takes the others down", "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(gpus(3), [](gpu_group& group) {
    caller me{group};
    if (group.rank() == 2) throw std::runtime_error("my own trouble");
    me.gather();
  });
  CHECK(words_of(ends.first) == "my own trouble");
  CHECK(words_of(ends.by_rank[0]) == "rank 2: my own trouble");
  CHECK(words_of(ends.by_rank[1]) == "rank 2: my own trouble");
}

TEST_CASE("nccl: a device that can't be made takes the others down", "[nccl][failures]") {
  nothing_left const at_the_end;
  auto all = gpus(2);
  all.push_back(7);  // which isn't there
  auto const ends = nccl::try_run<gpu>(all, [](gpu_group&) {});
  auto const told = words_of(ends.by_rank[2]);
  CHECK(told.find("cudaErrorInvalidDevice") != std::string::npos);
  CHECK(words_of(ends.by_rank[0]) == "rank 2: " + told);
  CHECK(words_of(ends.by_rank[1]) == "rank 2: " + told);
}

TEST_CASE("nccl: two ranks on one GPU are NCCL's to refuse", "[nccl][failures]") {
  nothing_left const at_the_end;
  (void)gpus(1);
  auto const ends = nccl::try_run<gpu>({0, 0}, [](gpu_group&) {});
  CHECK(words_of(ends.first).find("invalid usage (Duplicate GPU detected)") != std::string::npos);
}

TEST_CASE("nccl: messages of a pair that differ in size take both down", "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(gpus(2), [](gpu_group& group) {
    caller me{group};
    group.wait(me.q, group.rank() == 0 ? me.send(1, 4) : me.receive(0));
    me.gather();
  });
  CHECK(words_of(ends.first).find("rank 0 sends 4 bytes, rank 1 wants 8") != std::string::npos);
  check_all_say(ends, words_of(ends.first));
}

TEST_CASE("nccl: a group is closed whatever fails inside it", "[nccl][failures]") {
  std::string const name = GENERATE("ncclSend", "ncclRecv", "ncclGroupStart", "ncclGroupEnd");
  CAPTURE(name);
  nothing_left const at_the_end;
  int open = -1;
  auto const ends = nccl::try_run<gpu>(gpus(2), [&](gpu_group& group) {
    caller me{group};
    auto const peer = 1 - group.rank();
    auto const* const from = reinterpret_cast<std::byte const*>(me.in.data());
    auto* const to = reinterpret_cast<std::byte*>(me.out.data());
    std::vector<outgoing> const sends{{peer, from, 2}, {peer, from + 2, 3}};
    std::vector<incoming> const receives{{peer, to, 2}, {peer, to + 2, 3}};
    bool const in_pairs = name == "ncclSend" || name == "ncclRecv";
    if (group.rank() == 0)
      nccl_on_host::fail_call_here(in_pairs ? 2 : 1, ncclInternalError, name.c_str());
    try {
      group.wait(me.q, group.post(me.q, lane::weights, sends, receives, 1));
      me.gather();
    } catch (...) {
      if (group.rank() == 0) open = nccl_on_host::open_groups();
      throw;
    }
  });
  CHECK(open == 0);
  CHECK(words_of(ends.first).find("internal error (injected into " + name + ")") !=
        std::string::npos);
  check_all_say(ends, words_of(ends.first));
}

TEST_CASE("nccl: what CUDA refuses in the middle of a post takes the group down",
          "[nccl][failures]") {
  std::string const name =
      GENERATE("cudaEventRecord", "cudaStreamWaitEvent", "cudaEventCreateWithFlags");
  CAPTURE(name);
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(gpus(2), [&](gpu_group& group) {
    caller me{group};
    if (group.rank() == 1) cuda_on_host::fail_call_here(1, cudaErrorUnknown, name.c_str());
    group.wait(me.q, group.rank() == 1 ? me.send(0) : me.receive(1));
    me.gather();
  });
  CHECK(words_of(ends.first).starts_with("rank 1: cuda: "));
  check_all_say(ends, words_of(ends.first));
}

TEST_CASE("nccl: memory isn't written to any more once a call has thrown", "[nccl][failures]") {
  nothing_left const at_the_end;
  std::atomic<bool> down{false};
  std::int64_t found = 0;
  auto const thrown = run_apart(2, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank), {.timeout = 2s});
    caller me{group};
    group.wait(me.q, rank == 0 ? me.receive(1) : me.send(0));  // they connect
    me.gather();
    if (rank == 0) {  // wants another message, and gives up
      auto const posted = me.receive(1);
      (void)group.abort({errc::failed, "gives up", 0});
      words const blank(group.device(), me.q, {77, 77});
      group.device().copy(me.q, me.out.data(), blank.data(), 16);
      down = true;
      std::this_thread::sleep_for(100ms);  // in which the message could come
      cudaStreamSynchronize(me.q.stream());
      cudaMemcpy(&found, me.out.data(), 8, cudaMemcpyDefault);
      return;
    }
    while (!down) std::this_thread::sleep_for(1ms);
    group.wait(me.q, me.send(0));
    me.gather();
  });
  CHECK(found == 77);
  CHECK(words_of(thrown[0]).empty());
  CHECK(words_of(thrown[1]).find("rank 1: nccl: waited 2000 ms") != std::string::npos);
}

TEST_CASE("nccl: abort waits for NCCL no longer than it may", "[nccl][failures]") {
  nothing_left const at_the_end;
  nccl_on_host::knobs().aborts_wait_for_peers = true;
  clock::duration took{};
  auto const thrown = run_apart(2, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank), {.timeout = 3s, .grace = 50ms});
    caller me{group};
    me.gather();
    if (rank == 1) return me.gather();  // of which 0 doesn't tell it anything
    auto const began = clock::now();
    (void)group.abort({errc::failed, "gives up", 0});
    took = clock::now() - began;
  });
  CHECK(took < 2s);  // before 1 gives up, too
  CHECK(words_of(thrown[1]).find("rank 1: nccl: waited 3000 ms") != std::string::npos);
}

TEST_CASE("nccl: lanes that wait for each other on the GPU go down together", "[nccl][failures]") {
  nothing_left const at_the_end;
  auto const ends = nccl::try_run<gpu>(
      gpus(2),
      [](gpu_group& group) {
        caller me{group};
        auto first = group.rank() == 0 ? me.receive(1) : me.send(0);
        auto second =
            group.rank() == 0 ? me.receive(1, lane::weights) : me.send(0, 8, lane::weights);
        group.wait(me.q, std::move(first));
        group.wait(me.q, std::move(second));
        me.gather();  // all are connected
        if (group.rank() == 1) throw std::runtime_error("left");
        group.wait(me.q, me.receive(1, lane::weights));  // the queue waits for weights,
        group.wait(me.q, me.receive(1));                 // and rows, stopped first, for the queue
        group.all_gather(me.q, me.in.data(), me.out.data(), 1);
        me.gather();
      },
      {.grace = 60s});
  CHECK(words_of(ends.by_rank[0]) == "rank 1: left");
}

TEST_CASE("nccl: a ticket that isn't waited for takes the group down, and is named",
          "[nccl][failures]") {
  bool const throws = GENERATE(false, true);
  nothing_left const at_the_end;
  auto const board = std::make_shared<nccl::failure_board>();
  auto const thrown = run_apart(2, [&](rank_id rank, nccl::lanes of) {
    gpu_group group(std::move(of), gpu(rank), {.board = board});
    caller me{group};
    auto const posted = rank == 0 ? me.receive(1) : me.send(0);
    if (rank == 0 && throws) throw std::runtime_error("my own trouble");
    while (rank == 1) me.gather();
  });
  REQUIRE(board->cause());
  CHECK(board->cause()->what() ==
        std::string(throws ? "rank 0: nccl: left by an exception without waiting for rows #0"
                           : "rank 0: nccl: left without waiting for rows #0"));
  CHECK(words_of(thrown[0]) == (throws ? "my own trouble" : ""));
  CHECK(words_of(thrown[1]) == board->cause()->what());
}

TEST_CASE("nccl: times below 0 are refused", "[nccl]") {
  using namespace std::chrono_literals;
  CHECK_THROWS_WITH(nccl::options{.timeout = -5ms}.check(),
                    "nccl: options: timeout must be at least 0");
  CHECK_THROWS_WITH(nccl::options{.grace = -5ms}.check(),
                    "nccl: options: grace must be at least 0");
  CHECK_NOTHROW(nccl::options{.timeout = 0ms}.check());
}

}  // namespace
