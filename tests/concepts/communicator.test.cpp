// SPDX-License-Identifier: Apache-2.0
#include <llep/concepts/communicator.hpp>  // first: proves it needs no help

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <llep/backends/emulated/communicator.hpp>
#include <llep/device/host.hpp>
#include <span>

#include "support/archetypes.hpp"
#include "support/near_misses.hpp"

namespace {

using namespace llep::testing;
using llep::error;
using llep::incoming;
using llep::lane;
using llep::outgoing;
using llep::rank_id;
using archetype = communicator_archetype<>;
using queue = archetype::device_type::queue;
using sends = std::span<outgoing const>;
using receives = std::span<incoming const>;
using i64 = std::int64_t;

// clang-format off
// Each near miss takes exactly one promise away from the archetype.
struct untagged : archetype { using communicator_concept = void; };
struct untagged_device : device_archetype<> { using device_concept = void; };
struct over_no_device : archetype {
  using device_type = untagged_device;
  device_type& device() noexcept;
};
template <auto Value>
struct places_segments_is : archetype { static constexpr auto places_segments = Value; };
template <class T>
struct places_segments_of : archetype { static inline T places_segments = at_run_time<T>(); };
template <auto Value>
struct needs_progress_is : archetype { static constexpr auto needs_progress = Value; };
template <class T>
struct needs_progress_of : archetype { static inline T needs_progress = at_run_time<T>(); };

// ---- who and where ------------------------------------------------------------------------------

struct no_rank : archetype { rank_id rank() const noexcept = delete; };
struct wide_rank : archetype { i64 rank() const noexcept; };
struct mutable_rank : archetype { rank_id rank() noexcept; };
struct throwing_rank : archetype { rank_id rank() const; };
struct no_size : archetype { std::int32_t size() const noexcept = delete; };
struct wide_size : archetype { i64 size() const noexcept; };
struct mutable_size : archetype { std::int32_t size() noexcept; };
struct throwing_size : archetype { std::int32_t size() const; };
struct no_device : archetype { device_type& device() noexcept = delete; };
struct reading_device : archetype { device_type const& device() noexcept; };
struct throwing_device : archetype { device_type& device(); };

// ---- messages -----------------------------------------------------------------------------------

struct no_ticket : archetype { using ticket = void; };
struct pinned_ticket : archetype {
  using ticket = pinned<archetype::ticket>;
  ticket post(queue&, lane, sends, receives, i64);
};
struct unassignable_ticket : archetype {
  using ticket = unassignable<archetype::ticket>;
  ticket post(queue&, lane, sends, receives, i64);
};
struct no_all_gather : archetype { void all_gather(queue&, i64 const*, i64*, i64) = delete; };
struct answering_all_gather : archetype { bool all_gather(queue&, i64 const*, i64*, i64); };
struct all_gather_writes_source : archetype { void all_gather(queue&, i64*, i64*, i64); };
struct no_post : archetype { ticket post(queue&, lane, sends, receives, i64) = delete; };
struct ticketless_post : archetype { void post(queue&, lane, sends, receives, i64); };
struct post_writes_sends : archetype {
  ticket post(queue&, lane, std::span<outgoing>, receives, i64);
};
struct post_writes_receives : archetype {
  ticket post(queue&, lane, sends, std::span<incoming>, i64);
};
struct no_wait : archetype { void wait(queue&, ticket) = delete; };
struct answering_wait : archetype { bool wait(queue&, ticket); };
struct wait_keeps_ticket : archetype { void wait(queue&, ticket&); };
struct no_progress : archetype { void progress() = delete; };
struct answering_progress : archetype { bool progress(); };
struct no_abort : archetype { error abort(error const&) noexcept = delete; };
struct silent_abort : archetype { void abort(error const&) noexcept; };
struct throwing_abort : archetype { error abort(error const&); };
struct abort_writes_cause : archetype { error abort(error&) noexcept; };
// clang-format on

TEST_CASE("communicator: the archetype is enough, whatever it says of itself",
          "[concepts][communicator]") {
  using device = device_archetype<>;
  STATIC_REQUIRE(llep::communicator<communicator_archetype<device, false, false>>);
  STATIC_REQUIRE(llep::communicator<communicator_archetype<device, false, true>>);
  STATIC_REQUIRE(llep::communicator<communicator_archetype<device, true, false>>);
  STATIC_REQUIRE(llep::communicator<communicator_archetype<device, true, true>>);
}

TEST_CASE("communicator: the tag, moving, its device and its constants are needed",
          "[concepts][communicator]") {
  STATIC_REQUIRE_FALSE(llep::communicator<int>);
  STATIC_REQUIRE_FALSE(llep::communicator<untagged>);
  STATIC_REQUIRE_FALSE(llep::communicator<pinned<archetype>>);
  STATIC_REQUIRE_FALSE(llep::communicator<unassignable<archetype>>);
  STATIC_REQUIRE_FALSE(llep::communicator<over_no_device>);
  STATIC_REQUIRE_FALSE(llep::communicator<places_segments_is<1>>);
  STATIC_REQUIRE_FALSE(llep::communicator<places_segments_of<bool const>>);
  STATIC_REQUIRE_FALSE(llep::communicator<needs_progress_is<1>>);
  STATIC_REQUIRE_FALSE(llep::communicator<needs_progress_of<bool const>>);
}

TEST_CASE("communicator: every single promise of rank, size and device is needed",
          "[concepts][communicator]") {
  STATIC_REQUIRE_FALSE(llep::communicator<no_rank>);
  STATIC_REQUIRE_FALSE(llep::communicator<wide_rank>);
  STATIC_REQUIRE_FALSE(llep::communicator<mutable_rank>);
  STATIC_REQUIRE_FALSE(llep::communicator<throwing_rank>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_size>);
  STATIC_REQUIRE_FALSE(llep::communicator<wide_size>);
  STATIC_REQUIRE_FALSE(llep::communicator<mutable_size>);
  STATIC_REQUIRE_FALSE(llep::communicator<throwing_size>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_device>);
  STATIC_REQUIRE_FALSE(llep::communicator<reading_device>);
  STATIC_REQUIRE_FALSE(llep::communicator<throwing_device>);
}

TEST_CASE("communicator: every single promise of messages is needed", "[concepts][communicator]") {
  STATIC_REQUIRE_FALSE(llep::communicator<no_ticket>);
  STATIC_REQUIRE_FALSE(llep::communicator<pinned_ticket>);
  STATIC_REQUIRE_FALSE(llep::communicator<unassignable_ticket>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_all_gather>);
  STATIC_REQUIRE_FALSE(llep::communicator<answering_all_gather>);
  STATIC_REQUIRE_FALSE(llep::communicator<all_gather_writes_source>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_post>);
  STATIC_REQUIRE_FALSE(llep::communicator<ticketless_post>);
  STATIC_REQUIRE_FALSE(llep::communicator<post_writes_sends>);
  STATIC_REQUIRE_FALSE(llep::communicator<post_writes_receives>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_wait>);
  STATIC_REQUIRE_FALSE(llep::communicator<answering_wait>);
  STATIC_REQUIRE_FALSE(llep::communicator<wait_keeps_ticket>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_progress>);
  STATIC_REQUIRE_FALSE(llep::communicator<answering_progress>);
  STATIC_REQUIRE_FALSE(llep::communicator<no_abort>);
  STATIC_REQUIRE_FALSE(llep::communicator<silent_abort>);
  STATIC_REQUIRE_FALSE(llep::communicator<throwing_abort>);
  STATIC_REQUIRE_FALSE(llep::communicator<abort_writes_cause>);
}

TEST_CASE("communicator: the emulated one is a model with both placements",
          "[concepts][communicator]") {
  using llep::emulated::placement;
  using segments = llep::emulated::communicator<llep::host_device, placement::segments>;
  using packed = llep::emulated::communicator<llep::host_device, placement::packed>;
  STATIC_REQUIRE(llep::communicator<segments>);
  STATIC_REQUIRE(segments::places_segments);
  STATIC_REQUIRE(llep::communicator<packed>);
  STATIC_REQUIRE_FALSE(packed::places_segments);
}

TEST_CASE("communicator: the emulated one is a model over any device", "[concepts][communicator]") {
  using llep::emulated::placement;
  STATIC_REQUIRE(
      llep::communicator<llep::emulated::communicator<device_archetype<>, placement::segments>>);
  STATIC_REQUIRE(
      llep::communicator<llep::emulated::communicator<device_archetype<>, placement::packed>>);
}

}  // namespace
