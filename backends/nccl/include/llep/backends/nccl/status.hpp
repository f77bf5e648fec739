// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nccl.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include <llep/error.hpp>

namespace llep::nccl {

/// What `rank` was doing when NCCL returned `status`, with NCCL's words for it and for what it has
/// met last, which may be of another call.
[[nodiscard]] inline error failure(ncclResult_t status, std::string_view doing,
                                   rank_id rank = no_rank, call_site at = call_site::here()) {
  std::string text = "nccl: " + std::string(doing) + ": " + ncclGetErrorString(status);
  if (char const* const last = ncclGetLastError(nullptr); last != nullptr && *last != '\0')
    text += " (" + std::string(last) + ")";
  for (char& c : text)
    if (c == '\n') c = ' ';
  return {errc::communication, text, rank, static_cast<int>(status), at};
}

/// Throws the failure unless `status` is ncclSuccess.
inline void check(ncclResult_t status, std::string_view doing, rank_id rank = no_rank,
                  call_site at = call_site::here()) {
  if (status != ncclSuccess) throw failure(status, doing, rank, at);
}

/// What becomes of a call on `of` that returned `status`. A communicator that isn't blocking may
/// answer ncclInProgress and go on by itself: it is asked until it is through, and `watch` called
/// in between, which may throw. NCCL has put the call's work on its stream only then.
template <class Watch>
[[nodiscard]] ncclResult_t settled(ncclResult_t status, ncclComm_t of, Watch watch) {
  constexpr int short_while = 1000;  // then the core is left to others
  for (int turn = 0; status == ncclInProgress;) {
    watch();
    if (turn < short_while) {
      ++turn;
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    if (auto const asked = ncclCommGetAsyncError(of, &status); asked != ncclSuccess) return asked;
  }
  return status;
}

}  // namespace llep::nccl
