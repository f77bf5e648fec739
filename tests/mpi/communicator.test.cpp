// SPDX-License-Identifier: Apache-2.0
#include <llep/backends/mpi/communicator.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include <llep/testing/communicator.hpp>

namespace {

using namespace llep;

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

int copied = 0;
int note_copy(MPI_Comm /*of*/, int /*key*/, void* /*state*/, void* value, void* copy, int* wanted) {
  ++copied;
  *static_cast<void**>(copy) = value;
  *wanted = 1;
  return MPI_SUCCESS;
}
int deleted = 0;
int note_deletion(MPI_Comm /*of*/, int /*key*/, void* /*value*/, void* /*state*/) {
  ++deleted;
  return MPI_SUCCESS;
}

TEST_CASE("mpi: what a communicator has duplicated it frees", "[mpi]") {
  int key = 0;
  MPI_Comm users = MPI_COMM_NULL;
  copied = deleted = 0;
  MPI_Comm_create_keyval(note_copy, note_deletion, &key, nullptr);
  MPI_Comm_dup(MPI_COMM_WORLD, &users);
  MPI_Comm_set_attr(users, key, &key);  // duplicates get it, too
  {
    mpi::communicator first(users);
    mpi::communicator group(std::move(first));
    host_device::queue q;
    testing::check_communicator(group, q, 3);
    CHECK(copied == 3);
    CHECK(deleted == 0);
  }
  CHECK(deleted == 3);
  CHECK_THROWS_AS(mpi::communicator(users, host_device(), {.most_message_bytes = 0}), error);
  CHECK(copied == deleted);
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
  testing::check_communicator(group, q, 99);  // and the group goes on
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
