// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>

namespace llep::tool {

/// CPU seconds of the calling thread: what it computed, whoever else runs on the machine.
[[nodiscard]] inline double thread_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace llep::tool
