// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "support/run_tool.hpp"

namespace llep::testing {

/// What all refusals of bad input have in common; the first line must hold all the words.
inline void check_refused(tool_run const& run, std::vector<std::string> const& words) {
  CAPTURE(run.err);
  CHECK(run.exit_code == 2);
  CHECK(run.out.empty());
  auto const lines = lines_of(run.err);
  REQUIRE(!lines.empty());
  CHECK(lines.size() <= 4);
  CHECK(lines.front().size() < 500);
  for (auto const& word : words) {
    CAPTURE(word);
    CHECK(lines.front().find(word) != std::string::npos);
  }
}

}  // namespace llep::testing
