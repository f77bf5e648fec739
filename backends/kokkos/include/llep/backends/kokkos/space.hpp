// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <new>

#include <Kokkos_Core.hpp>

#include <llep/error.hpp>

namespace llep::kokkos {

template <class S>
concept execution_space = Kokkos::is_execution_space_v<S>;

/// A kernel has run when its launch returns, so a fence has nothing to wait for. Specialise it for
/// a space of your own; spaces that aren't named here are fenced, which is always right.
template <execution_space Space>
inline constexpr bool completes_on_return = false;
#ifdef KOKKOS_ENABLE_SERIAL
template <>
inline constexpr bool completes_on_return<Kokkos::Serial> = true;
#endif
#ifdef KOKKOS_ENABLE_OPENMP
template <>
inline constexpr bool completes_on_return<Kokkos::OpenMP> = true;
#endif

/// An instance that no other rank of the process has: one thread, or a stream. For ranks that are
/// threads: its owner makes it after Kokkos::initialize and drops it before finalize.
template <execution_space Space = Kokkos::DefaultExecutionSpace>
[[nodiscard]] Space own_instance() {
#ifdef KOKKOS_ENABLE_OPENMP
  if constexpr (std::same_as<Space, Kokkos::OpenMP>) return Kokkos::OpenMP(1);
#endif
#ifdef KOKKOS_ENABLE_SERIAL
  if constexpr (std::same_as<Space, Kokkos::Serial>) return Kokkos::Serial(Kokkos::NewInstance{});
#endif
  return Kokkos::Experimental::partition_space(Space(), 1)[0];
}

namespace detail {

/// A thread there is a core with vectors: it takes many columns at a time. Elsewhere it is one of
/// many lanes.
template <class Space>
inline constexpr bool on_host = Kokkos::SpaceAccessibility<Space, Kokkos::HostSpace>::accessible;

/// Columns of a row that a thread takes at a time, and threads that share a row.
template <class Space>
inline constexpr std::int64_t strip_columns = on_host<Space> ? 128 : 1;
template <class Space>
inline constexpr unsigned row_threads = on_host<Space> ? 1 : 128;

template <class Space>
using team_member = typename Kokkos::TeamPolicy<Space>::member_type;

// Labels of launches have at most 15 characters: a longer one would be allocated every time.

/// body(i) for all i < n.
template <class Space, class Body>
void for_each(char const* label, Space const& space, std::int64_t n, Body const& body) {
  if (n > 0)
    Kokkos::parallel_for(
        label, Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>(space, 0, n), body);
}

/// body(team) for all teams. A league has int's range; larger ones go in several launches.
/// `body.first` is the number of the team that has league rank 0.
template <unsigned Threads, class Space, class Body>
void for_teams(char const* label, Space const& space, std::int64_t teams, Body body,
               int scratch_level = 0, int scratch_bytes = 0) {
  constexpr std::int64_t most = (std::numeric_limits<int>::max)();
  for (body.first = 0; body.first < teams; body.first += most) {
    auto const league = static_cast<int>((Kokkos::min)(most, teams - body.first));
    Kokkos::TeamPolicy<Space, Kokkos::LaunchBounds<Threads, 1>> policy(space, league,
                                                                       static_cast<int>(Threads));
    policy.set_scratch_size(scratch_level,
                            Kokkos::PerTeam(static_cast<std::size_t>(scratch_bytes)));
    // Light: arguments travel with the launch, and not through memory that launches share.
    Kokkos::parallel_for(label,
                         Kokkos::Experimental::require(
                             policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight),
                         body);
  }
}

/// body(team) for so many rows, a team each.
template <class Space, class Body>
void for_rows(char const* label, Space const& space, std::int64_t rows, Body const& body) {
  for_teams<row_threads<Space>>(label, space, rows, body);
}

/// Inside a team: body(first, n) for all strips of a row.
template <class Space, class Body>
KOKKOS_FUNCTION void for_strips(team_member<Space> const& team, std::int64_t cols,
                                Body const& body) {
  constexpr std::int64_t strip = strip_columns<Space>;
  Kokkos::parallel_for(Kokkos::TeamVectorRange(team, (cols + strip - 1) / strip),
                       [&](std::int64_t s) {
                         std::int64_t const left = cols - s * strip;
                         body(s * strip, left < strip ? left : strip);
                       });
}

/// Calls f; what Kokkos throws becomes what this library throws.
template <class F>
auto translated(F f) {
  try {
    return f();
  } catch (error const&) {
    throw;
  } catch (Kokkos::Experimental::BadAlloc const&) {
    throw std::bad_alloc();
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& e) {
    throw error(errc::device, e.what());
  }
}

}  // namespace detail

}  // namespace llep::kokkos
