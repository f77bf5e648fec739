// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/mpi/communicator.hpp>  // first: proves it needs no help

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "support/stream_device.hpp"

namespace {

using namespace llep;
using llep::testing::stream_device;

/// Messages of everybody to everybody, drawn alike on every rank.
struct exchange {
  struct letter {
    rank_id from, to;
    std::int64_t count;
  };
  lane on;
  std::int64_t element_bytes;
  std::vector<letter> letters;

  exchange(std::int32_t ranks, std::mt19937_64& random)
      : on(random() % 2 == 0 ? lane::rows : lane::weights),
        element_bytes(1 + static_cast<std::int64_t>(random() % 13)) {
    auto const n = random() % static_cast<std::uint64_t>(4 * ranks);
    auto const any = [&] { return static_cast<rank_id>(random() % static_cast<unsigned>(ranks)); };
    for (std::uint64_t i = 0; i < n; ++i)
      if (letter const l{any(), any(), 1 + static_cast<std::int64_t>(random() % 900)};
          l.from != l.to)
        letters.push_back(l);
  }
};

std::byte content(std::size_t exchange, std::size_t letter, std::int64_t i) {
  auto const mixed = (exchange * 131 + letter) * 7919 + static_cast<std::size_t>(i) * 31;
  return static_cast<std::byte>(mixed & 255U);
}

/// One rank's side of an exchange, in device memory that host loops reach.
struct side {
  std::vector<std::vector<std::byte>> buffers;
  std::vector<outgoing> sends;
  std::vector<incoming> receives;
  std::vector<std::size_t> received;  // the letter, and its buffer

  side(exchange const& all, std::size_t number, rank_id me) {
    buffers.resize(all.letters.size());
    for (std::size_t i = 0; i < all.letters.size(); ++i) {
      auto const& [from, to, count] = all.letters[i];
      if (from != me && to != me) continue;
      auto& buffer = buffers[i];
      buffer.resize(static_cast<std::size_t>(count * all.element_bytes));
      if (to == me) {
        receives.push_back({from, buffer.data(), count});
        received.push_back(i);
        continue;
      }
      for (std::size_t k = 0; k < buffer.size(); ++k)
        buffer[k] = content(number, i, static_cast<std::int64_t>(k));
      sends.push_back({to, buffer.data(), count});
    }
  }
  [[nodiscard]] bool arrived(std::size_t number) const {
    for (std::size_t const i : received)
      for (std::size_t k = 0; k < buffers[i].size(); ++k)
        if (buffers[i][k] != content(number, i, static_cast<std::int64_t>(k))) return false;
    return true;
  }
};

template <class Device>
void finish(Device& device, typename Device::queue& q) {
  auto done = device.make_event();
  device.record(done, q);
  device.sync(done);
}

/// Some exchanges at a time, waited for in another order; progress now and then.
template <class Group>
void check_exchanges(Group& group, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int round = 0; round < 4; ++round) {
    std::vector<exchange> all;
    std::vector<side> mine;
    std::vector<typename Group::ticket> tickets;
    auto const n = 1 + random() % 6;
    for (std::size_t i = 0; i < n; ++i) all.emplace_back(group.size(), random);
    typename Group::device_type::queue q;
    for (std::size_t i = 0; i < n; ++i) mine.emplace_back(all[i], i, group.rank());
    for (std::size_t i = 0; i < n; ++i) {
      tickets.push_back(
          group.post(q, all[i].on, mine[i].sends, mine[i].receives, all[i].element_bytes));
      group.progress();
    }
    std::vector<std::size_t> order(n);
    for (std::size_t i = 0; i < n; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t const i : order) group.wait(q, std::move(tickets[i]));
    finish(group.device(), q);
    for (std::size_t i = 0; i < n; ++i) CHECK(mine[i].arrived(i));
  }
}

TEST_CASE("mpi: random messages on both lanes arrive, in order and whole", "[mpi]") {
  auto const seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{10}));
  auto const most = GENERATE(1 << 30, 100, 900);
  CAPTURE(seed, most);
  mpi::communicator group(MPI_COMM_WORLD, host_device(), {.most_message_bytes = most});
  check_exchanges(group, seed);
}

TEST_CASE("mpi: random messages arrive from device memory, staged", "[mpi]") {
  auto const seed = GENERATE(range(std::uint64_t{10}, std::uint64_t{14}));
  CAPTURE(seed);
  mpi::communicator group(MPI_COMM_WORLD, stream_device());
  check_exchanges(group, seed);
  mpi::communicator<host_device, mpi::access::staged> needlessly(MPI_COMM_WORLD);
  check_exchanges(needlessly, seed);
}

TEST_CASE("mpi: all_gather gathers by rank", "[mpi]") {
  auto const check = [](auto group) {  // by value: it can be moved
    using group_type = decltype(group);
    typename group_type::device_type::queue q;
    for (std::int64_t const n : {1, 5, 1000, 0}) {
      std::vector<std::int64_t> mine(static_cast<std::size_t>(n), group.rank() + 7);
      std::vector<std::int64_t> all(static_cast<std::size_t>(n * group.size()), -1);
      group.all_gather(q, mine.data(), all.data(), n);
      finish(group.device(), q);
      for (std::size_t i = 0; i < all.size(); ++i)
        CHECK(all[i] == static_cast<std::int64_t>(i) / n + 7);
    }
  };
  check(mpi::communicator(MPI_COMM_WORLD));
  check(mpi::communicator(MPI_COMM_WORLD, stream_device()));
}

TEST_CASE("mpi: ranks are those of the user's communicator, which stays as it was", "[mpi]") {
  MPI_Errhandler before = MPI_ERRHANDLER_NULL;
  MPI_Errhandler after = MPI_ERRHANDLER_NULL;
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Comm_get_errhandler(MPI_COMM_WORLD, &before);
  {
    mpi::communicator const group(MPI_COMM_WORLD);
    CHECK(group.rank() == rank);
    CHECK(group.size() == size);
    MPI_Comm_get_errhandler(MPI_COMM_WORLD, &after);
    CHECK(before == after);
    MPI_Errhandler_free(&after);
  }
  MPI_Errhandler_free(&before);
}

int deleted = 0;
int note_deletion(MPI_Comm /*of*/, int /*key*/, void* /*value*/, void* /*state*/) {
  ++deleted;
  return MPI_SUCCESS;
}

TEST_CASE("mpi: what a communicator has duplicated it frees", "[mpi]") {
  int key = 0;
  MPI_Comm users = MPI_COMM_NULL;
  MPI_Comm_create_keyval(MPI_COMM_DUP_FN, note_deletion, &key, nullptr);
  MPI_Comm_dup(MPI_COMM_WORLD, &users);
  MPI_Comm_set_attr(users, key, &key);  // duplicates get it, too
  {
    mpi::communicator first(users);
    mpi::communicator group(std::move(first));
    check_exchanges(group, 3);
    CHECK(deleted == 0);
  }
  CHECK(deleted == 3);
  MPI_Comm_free(&users);
  CHECK(deleted == 4);
  MPI_Comm_free_keyval(&key);
}

/// What f throws, or "".
template <class F>
std::string refusal(F f, errc expected) {
  try {
    f();
  } catch (error const& e) {
    CHECK(e.code() == expected);
    return e.what();
  }
  return "";
}

TEST_CASE("mpi: options that differ between ranks are refused on all", "[mpi]") {
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  auto const make = [](int most) {
    mpi::communicator group(MPI_COMM_WORLD, host_device(), {.most_message_bytes = most});
  };
  CHECK(refusal([&] { make(rank == 0 ? 0 : 5); }, errc::invalid_argument) ==
        "mpi: most_message_bytes must be at least 1");
  if (size > 1)
    CHECK(refusal([&] { make(rank == 0 ? 4 : 5); }, errc::invalid_argument) ==
          "mpi: most_message_bytes must be the same on every rank");
}

TEST_CASE("mpi: a message that breaks the contract is refused before anything is sent", "[mpi]") {
  mpi::communicator group(MPI_COMM_WORLD);
  host_device::queue q;
  std::byte data{};
  auto const peer = (group.rank() + 1) % group.size();
  auto const refused = [&](outgoing const& m, std::int64_t element_bytes) {
    return refusal([&] { (void)group.post(q, lane::rows, {&m, 1}, {}, element_bytes); },
                   errc::invalid_argument) ==
           "rank " + std::to_string(group.rank()) +
               ": mpi: a message has a bad peer, count, data or element size";
  };
  CHECK(refused({group.rank(), &data, 1}, 1));
  CHECK(refused({group.size(), &data, 1}, 1));
  CHECK(refused({-1, &data, 1}, 1));
  CHECK(refused({peer, nullptr, 1}, 1));
  CHECK(refused({peer, &data, 0}, 1));
  CHECK(refused({peer, &data, 1}, 0));
  CHECK(refused({peer, &data, std::int64_t{1} << 62}, 2));
  CHECK(refusal([&] { group.all_gather(q, nullptr, nullptr, -1); }, errc::invalid_argument) ==
        "mpi: all_gather takes 0 to 2^31 - 1 words");
  check_exchanges(group, 99);  // and the group goes on
}

TEST_CASE("mpi: a ticket is waited for once", "[mpi]") {
  mpi::communicator group(MPI_COMM_WORLD);
  host_device::queue q;
  auto posted = group.post(q, lane::rows, {}, {}, 4);
  auto moved = std::move(posted);
  group.wait(q, std::move(moved));
  CHECK(refusal([&] { group.wait(q, std::move(posted)); }, errc::invalid_argument) ==
        "mpi: a ticket is waited for once");
}

/// Rank 0 sends `sent` bytes where rank 1 expects `wanted`; what rank 1 is told, and told again.
std::string mismatch(std::int64_t sent, std::int64_t wanted, int most) {
  mpi::communicator group(MPI_COMM_WORLD, host_device(), {.most_message_bytes = most});
  if (group.rank() > 1) return "";
  host_device::queue q;
  std::vector<std::byte> buffer(1000);
  outgoing const send{1, buffer.data(), sent};
  incoming const receive{0, buffer.data(), wanted};
  bool const sends = group.rank() == 0;
  auto posted =
      group.post(q, lane::weights, {&send, sends ? 1U : 0U}, {&receive, sends ? 0U : 1U}, 1);
  auto const told = refusal([&] { group.wait(q, std::move(posted)); }, errc::communication);
  if (told.empty()) return "";
  std::int64_t word = 0;
  CHECK(refusal([&] { group.progress(); }, errc::communication) == told);
  CHECK(refusal([&] { (void)group.post(q, lane::rows, {}, {}, 1); }, errc::communication) == told);
  CHECK(refusal([&] { group.all_gather(q, &word, &word, 1); }, errc::communication) == told);
  return told;
}

TEST_CASE("mpi: sizes that disagree are told to the one who receives", "[mpi]") {
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size < 2) return;
  auto const shorter = mismatch(12, 24, 1 << 30);
  auto const longer = mismatch(24, 12, 1 << 30);
  auto const in_parts = mismatch(250, 260, 100);
  if (rank != 1) return;
  CHECK(shorter == "rank 1: mpi: receiving 24 bytes from rank 0 in weights #0: there came 12");
  CHECK(longer.starts_with("rank 1: mpi: receiving 12 bytes from rank 0 in weights #0: "));
  CHECK(longer.find("MPI_ERR_TRUNCATE") != std::string::npos);
  CHECK(in_parts == "rank 1: mpi: receiving 60 bytes from rank 0 in weights #0: there came 50");
}

}  // namespace
