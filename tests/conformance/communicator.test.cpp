// SPDX-License-Identifier: Apache-2.0
#include <llep/testing/communicator.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <exception>

#include <llep/backends/emulated/run.hpp>
#include <llep/testing/abort.hpp>

#include "support/stream_device.hpp"

namespace {

using namespace llep;
using namespace llep::testing;
using emulated::options;
using emulated::placement;
using emulated::scheduling;

template <placement Placement, class Device>
void check_ranks(std::int32_t ranks, std::uint64_t seeds, options const& how) {
  auto const ends = emulated::try_run<Placement>(
      ranks, [] { return Device(); },
      [&](auto& group) {
        auto q = group.device().make_queue();
        for (std::uint64_t seed = 0; seed < seeds; ++seed) check_communicator(group, q, seed);
      },
      how);
  if (ends.first) std::rethrow_exception(ends.first);
}

TEST_CASE("conformance: the emulated communicator keeps its promises",
          "[conformance][communicator]") {
  for (std::int32_t const ranks : {1, 2, 3, 5, 8}) {
    for (options const how : {options{scheduling::concurrent}, options{scheduling::turns, 7}}) {
      CAPTURE(ranks, how.how);
      CHECK_NOTHROW(check_ranks<placement::segments, host_device>(ranks, 40, how));
      CHECK_NOTHROW(check_ranks<placement::packed, host_device>(ranks, 40, how));
      CHECK_NOTHROW(check_ranks<placement::segments, stream_device>(ranks, 6, how));
    }
  }
}

TEST_CASE("conformance: an emulated group goes down as promised", "[conformance][communicator]") {
  for (std::int32_t const ranks : {1, 2, 3, 8}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(ranks, seed);
      auto const how = seed % 3 == 0 ? options{} : options{scheduling::turns, seed};
      auto const body = [seed](auto& group) {
        auto q = group.device().make_queue();
        check_abort(group, q, seed);
      };
      CHECK_NOTHROW(emulated::run(ranks, body, how));
      CHECK_NOTHROW(emulated::run<placement::packed>(ranks, body, how));
    }
  }
}

}  // namespace
