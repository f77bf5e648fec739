// SPDX-License-Identifier: Apache-2.0
// The second translation unit of main.cpp: all headers, in the other order.
#include "backward.hpp"

llep::plan plan_elsewhere(llep::problem const& in);

llep::plan plan_elsewhere(llep::problem const& in) {
  llep::least_loaded const planner{.min_chunk_rows = 16};
  llep::least_loaded::memory memory;
  llep::plan out;
  planner.plan(in, memory, out);
  return out;
}
