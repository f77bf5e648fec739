// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>

#include "grid.hpp"
#include "warp.hpp"

// What is said about a kernel that would hang.

namespace cuda_on_host {

/// What a thread does wrong. A plain struct: its thread never goes on to destroy anything.
struct failure {
  char const* what = nullptr;
  location at;
  unsigned thread = 0;
  unsigned other_line = 0;  // 0: none
};

inline std::string text(uint3 v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

inline std::string complaint(location at, uint3 thread, std::string const& what) {
  return std::string("kernel ") + at.function + ", " + at.file + ":" + std::to_string(at.line) +
         ": block " + text(blockIdx) + " thread " + text(thread) + " " + what;
}

inline std::string complaint(failure const& f, uint3 thread) {
  std::string what = f.what;
  if (f.other_line != 0) what += " in line " + std::to_string(f.other_line);
  return complaint(f.at, thread, what);
}

inline std::string complaint_about_overrun(grid const& g) {
  return "block " + text(blockIdx) + " of a kernel wrote behind its " +
         std::to_string(g.shared_bytes) + " bytes of dynamic shared memory";
}

/// Whether a lane waits for something else than that operation.
inline bool is_elsewhere(warp const& w, unsigned other, unsigned lane) {
  bool const in_op = (w.in_op >> other & 1U) != 0;
  return (w.at_barrier >> other & 1U) != 0 ||
         (in_op && (w.op_mask[other] != w.op_mask[lane] || w.op[other] != w.op[lane]));
}

/// Names a thread that waits in a warp's operation, and one that it waits for.
inline std::string complaint_about_hang(std::span<warp const> warps,
                                        std::span<uint3 const> threads) {
  for (unsigned i = 0; i < warps.size(); ++i) {
    warp const& w = warps[i];
    if (w.in_op == 0) continue;
    auto const lane = static_cast<unsigned>(std::countr_zero(w.in_op));
    std::string what = "waits in " + std::string(name_of(w.op[lane])) + " of mask " +
                       std::to_string(w.op_mask[lane]) + " for threads that don't come";
    for (unsigned other = 0; other < 32; ++other)
      if ((w.op_mask[lane] >> other & 1U) != 0 && is_elsewhere(w, other, lane)) {
        what += ", as " + text(threads[i * 32 + other]) + " in line " +
                std::to_string(w.where[other].line);
        break;
      }
    return complaint(w.where[lane], threads[i * 32 + lane], what);
  }
  return "a kernel hangs at a barrier";
}

}  // namespace cuda_on_host
