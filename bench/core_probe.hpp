// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace llep::bench {

namespace detail {

// Multiplications and additions in registers: nothing that two cores could compete for.
inline void busy_loop() {
  double a = 1.0;
  double b = 2.0;
  for (int i = 0; i < 40'000'000; ++i) {
    a = a * 0.999999 + 1e-6;
    b = b * 0.999998 + 1e-6;
  }
  [[maybe_unused]] double const volatile kept = a + b;  // so that it isn't left out
}

template <class F>
double wall_seconds(F f) {
  auto const before = std::chrono::steady_clock::now();
  f();
  std::chrono::duration<double> const taken = std::chrono::steady_clock::now() - before;
  return taken.count();
}

}  // namespace detail

/// How many cores two busy threads get: 2 on a machine of one's own, 1 where they share one. About
/// half a second.
[[nodiscard]] inline double two_core_probe() {
  double alone = 1e9;
  double together = 1e9;
  for (int round = 0; round < 3; ++round) {
    alone = std::min(alone, detail::wall_seconds(detail::busy_loop));
    together = std::min(together, detail::wall_seconds([] {
                          std::thread other(detail::busy_loop);
                          detail::busy_loop();
                          other.join();
                        }));
  }
  return 2 * alone / together;
}

}  // namespace llep::bench
