// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <llep/backends/emulated/communicator.hpp>
#include <llep/testing/abort.hpp>
#include <llep/testing/communicator.hpp>

#include "support/broken.hpp"

// Communicators that break one promise each: the suite must find and name it.

namespace {

using namespace llep;
using namespace llep::testing;
using Catch::Matchers::StartsWith;

/// What all have in common: they pass calls on, as they came.
struct passing_on {
  using communicator_concept = communicator_tag;
  using base = emulated::communicator<host_device>;
  using device_type = host_device;
  using queue = host_device::queue;
  using ticket = base::ticket;
  static constexpr bool places_segments = true;
  static constexpr bool needs_progress = false;

  base* group;

  [[nodiscard]] rank_id rank() const noexcept { return group->rank(); }
  [[nodiscard]] std::int32_t size() const noexcept { return group->size(); }
  [[nodiscard]] host_device& device() noexcept { return group->device(); }
  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    group->all_gather(q, in, out, n);
  }
  [[nodiscard]] ticket post(queue& q, lane on, std::span<outgoing const> sends,
                            std::span<incoming const> receives, std::int64_t element_bytes) {
    return group->post(q, on, sends, receives, element_bytes);
  }
  void wait(queue& q, ticket posted) { group->wait(q, std::move(posted)); }
  void progress() { group->progress(); }
  [[nodiscard]] error abort(error const& why) noexcept { return group->abort(why); }
};

struct swaps_messages : passing_on {
  ticket post(queue& q, lane on, std::span<outgoing const> sends,
              std::span<incoming const> receives, std::int64_t element_bytes) {
    std::vector<outgoing> list(sends.begin(), sends.end());
    for (std::size_t i = 1; i < list.size(); ++i)
      if (list[i].peer == list[i - 1].peer && list[i].count == list[i - 1].count)
        std::swap(list[i], list[i - 1]);
    return group->post(q, on, list, receives, element_bytes);
  }
};

/// Goes by the peers as if they ascended.
struct wants_ascending_peers : passing_on {
  ticket post(queue& q, lane on, std::span<outgoing const> sends,
              std::span<incoming const> receives, std::int64_t element_bytes) {
    std::vector<outgoing> list(sends.begin(), sends.end());
    auto const before = [](outgoing const& a, outgoing const& b) { return a.peer < b.peer; };
    bool const ascends = std::is_sorted(list.begin(), list.end(), before);
    for (std::size_t i = 0; i < list.size() && !ascends; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (list[i].peer == list[j].peer && list[i].count == list[j].count)
          std::swap(list[i], list[j]);
    return group->post(q, on, list, receives, element_bytes);
  }
};

/// Data is where it should be only when the next call has been made.
struct is_late : passing_on {
  struct arrival {
    std::vector<std::byte> data;
    std::byte* to;
  };
  struct ticket {
    base::ticket inner;
    std::vector<arrival> arrivals;
  };
  std::vector<arrival> pending{};

  ticket post(queue& q, lane on, std::span<outgoing const> sends,
              std::span<incoming const> receives, std::int64_t element_bytes) {
    std::vector<arrival> arrivals;
    std::vector<incoming> list;
    for (incoming const& m : receives) {
      auto const bytes = static_cast<std::size_t>(m.count * element_bytes);
      arrivals.push_back({std::vector<std::byte>(bytes), m.data});
      list.push_back({m.peer, arrivals.back().data.data(), m.count});
    }
    return {group->post(q, on, sends, list, element_bytes), std::move(arrivals)};
  }
  void wait(queue& q, ticket posted) {
    group->wait(q, std::move(posted.inner));
    for (arrival const& a : pending) std::memcpy(a.to, a.data.data(), a.data.size());
    pending = std::move(posted.arrivals);
  }
};

/// Writes a byte before each message, if there is one, unless a message comes there.
struct writes_too_much : is_late {
  void wait(queue& q, ticket posted) {
    group->wait(q, std::move(posted.inner));
    for (arrival const& a : posted.arrivals)
      if (reinterpret_cast<std::uintptr_t>(a.to) % 256 != 0) a.to[-1] = std::byte{0};
    for (arrival const& a : posted.arrivals) std::memcpy(a.to, a.data.data(), a.data.size());
  }
};

struct gathers_others_only : passing_on {
  void all_gather(queue& q, std::int64_t const* in, std::int64_t* out, std::int64_t n) {
    std::vector<std::int64_t> const own(out + rank() * n, out + (rank() + 1) * n);
    group->all_gather(q, in, out, n);
    std::copy(own.begin(), own.end(), out + rank() * n);
  }
};

struct sends_zeros : passing_on {
  std::vector<std::byte> zeros = std::vector<std::byte>(1000000);

  ticket post(queue& q, lane on, std::span<outgoing const> sends,
              std::span<incoming const> receives, std::int64_t element_bytes) {
    std::vector<outgoing> list(sends.begin(), sends.end());
    for (outgoing& m : list) m.data = zeros.data();
    return group->post(q, on, list, receives, element_bytes);
  }
};

template <class Communicator>
std::string found_in(std::int32_t ranks) {
  static_assert(communicator<Communicator>);
  return broken_promise_among(ranks, [](auto& group, std::uint64_t seed) {
    Communicator broken{};
    broken.group = &group;
    host_device::queue q;
    check_communicator(broken, q, seed);
  });
}

TEST_CASE("conformance: a communicator that breaks a promise is caught by name",
          "[conformance][communicator]") {
  for (std::int32_t const ranks : {2, 3, 5}) {
    CAPTURE(ranks);
    CHECK_THAT(found_in<passing_on>(ranks), StartsWith("nothing"));
    CHECK_THAT(found_in<swaps_messages>(ranks),
               StartsWith("communicator: messages of a pair of ranks and a lane match in order"));
    if (ranks > 2)
      CHECK_THAT(found_in<wants_ascending_peers>(ranks),
                 StartsWith("communicator: messages of a pair of ranks and a lane match in order"));
    CHECK_THAT(found_in<is_late>(ranks),
               StartsWith("communicator: what is put on the queue after wait sees"));
    CHECK_THAT(found_in<writes_too_much>(ranks),
               StartsWith("communicator: nothing is written where no message goes"));
    CHECK_THAT(found_in<sends_zeros>(ranks), StartsWith("communicator: what was sent arrives"));
    CHECK_THAT(found_in<gathers_others_only>(ranks), StartsWith("communicator: all_gather: "));
  }
}

struct forgets_the_cause : passing_on {
  [[nodiscard]] error abort(error const& why) noexcept {
    static_cast<void>(group->abort(why));
    return why;
  }
};

/// Has the same text with another code, and names no rank.
struct tells_another_code : passing_on {
  [[nodiscard]] error abort(error const& why) noexcept {
    auto const first = group->abort(why);
    return {errc::deadlock, first.what()};
  }
};
struct goes_on_in_progress : passing_on {
  void progress() {}
};

template <class Communicator>
std::string found_in_abort() {
  return broken_promise_among(3, [](auto& group, std::uint64_t seed) {
    Communicator broken{};
    broken.group = &group;
    host_device::queue q;
    check_abort(broken, q, seed);
  });
}

TEST_CASE("conformance: a group that doesn't go down as promised is caught by name",
          "[conformance][communicator]") {
  CHECK_THAT(found_in_abort<passing_on>(), StartsWith("nothing"));
  CHECK_THAT(found_in_abort<forgets_the_cause>(),
             StartsWith("communicator: abort returns the first cause"));
  CHECK_THAT(found_in_abort<tells_another_code>(),
             StartsWith("communicator: abort returns the cause"));
  CHECK_THAT(found_in_abort<goes_on_in_progress>(),
             StartsWith("communicator: calls after an abort throw the cause"));
}

}  // namespace
