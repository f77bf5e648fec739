// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include <llep/shape.hpp>

namespace llep {

/// What went wrong, in terms a caller can act on. Values are stable across releases; they travel
/// between ranks.
enum class errc : int {
  invalid_argument = 1,   ///< a caller broke a stated precondition; nothing was sent
  disagreement = 2,       ///< ranks called with other shapes, policies or owners; nothing was sent
  plan_inconsistent = 3,  ///< a plan breaks its invariants, or the ranks hold different plans
  communication = 4,      ///< the transport failed, or a peer left; only destruction is legal now
  deadlock = 5,           ///< every rank waits for another one; only destruction is legal now
  device = 6,             ///< a kernel or an allocation failed
  failed = 7,             ///< user code (a kernel, a planner, a rank's body) threw something else
};

/// Where a call was written; pass `call_site::here()` as a default argument.
/// Not std::source_location: clang 14 on libstdc++ 12 has none.
struct call_site {
  char const* file;
  int line;
  static constexpr call_site here(char const* f = __builtin_FILE(), int l = __builtin_LINE()) {
    return {f, l};
  }
};

inline constexpr rank_id no_rank = -1;

/// Root of every exception this library throws on purpose.
///
/// `what()` is one line, "rank 2: ..." where a rank caused it, and the same text on every rank once
/// an error has been agreed on; so it holds no source position: that is `where()`, which may
/// differ. `native_status()` is the vendor's own number (ncclResult_t, cudaError_t, an MPI error
/// class) or 0.
class error : public std::runtime_error {
 public:
  error(errc code, std::string_view what, rank_id rank = no_rank, int native_status = 0,
        call_site at = call_site::here())
      : std::runtime_error((rank == no_rank ? "" : "rank " + std::to_string(rank) + ": ") +
                           std::string(what)),
        code_(code),
        rank_(rank),
        native_status_(native_status),
        where_(at) {}

  [[nodiscard]] errc code() const noexcept { return code_; }
  /// The rank that caused it, or `no_rank`.
  [[nodiscard]] rank_id rank() const noexcept { return rank_; }
  [[nodiscard]] int native_status() const noexcept { return native_status_; }
  [[nodiscard]] call_site where() const noexcept { return where_; }

 private:
  errc code_;
  rank_id rank_;
  int native_status_;
  call_site where_;
};

namespace detail {

// Made before memory can be short; copying it takes none.
inline error const too_little_memory(errc::device, "out of memory, too little to say more");

inline error describe_current(rank_id rank) {
  try {
    throw;
  } catch (error const& e) {
    if (e.rank() != no_rank) return e;
    return {e.code(), e.what(), rank, e.native_status(), e.where()};
  } catch (std::bad_alloc const&) {
    return {errc::device, "out of memory", rank};
  } catch (std::exception const& e) {
    return {errc::failed, e.what(), rank};
  } catch (...) {
    return {errc::failed, "an exception that is no std::exception", rank};
  }
}

}  // namespace detail

/// The exception being handled, as an error caused by `rank` unless it already names one. For use
/// in a catch block, by code that passes one rank's failure on to the others. Where there is no
/// memory for that the error doesn't name the rank.
[[nodiscard]] inline error current_error(rank_id rank) noexcept {
  try {
    return detail::describe_current(rank);
  } catch (...) {
    return detail::too_little_memory;
  }
}

/// Throws `errc::invalid_argument` unless `ok`. O(1) checks of caller input only.
constexpr void expects(bool ok, std::string_view rule, call_site at = call_site::here()) {
  if (!ok) throw error(errc::invalid_argument, rule, no_rank, 0, at);
}

}  // namespace llep
