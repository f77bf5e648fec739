// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <llep/workspace.hpp>

namespace llep::testing {

/// Every way to keep a training step.
inline std::vector<training> all_trainings() {
  std::vector<training> all;
  for (bool const recompute : {false, true})
    for (bool const lend_again : {false, true})
      for (bool const resend : {false, true}) all.push_back({recompute, lend_again, resend});
  return all;
}

}  // namespace llep::testing
