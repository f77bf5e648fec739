// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "demo_run_with.hpp"
#include "engine.hpp"
#include "layer_run_with.hpp"

namespace llep::tool {

// Each add_<name>_engines of engine_<name>.cpp adds its engines to the list; CMake knows which are
// built in, and writes their calls.

/// Engine: where ranks live, as host_threads says, and Engine::kernel<Family>.
template <class Engine>
engine make_engine(std::string backend, std::string kernel) {
  return {.backend = std::move(backend),
          .kernel = std::move(kernel),
          .ranks = Engine::words,
          .takes_turns = Engine::takes_turns,
          .clock = Engine::clock,
          .exact = Engine::exact,
          .prints = Engine::prints,
          .start = Engine::start,
          .run_layer = run_layer<Engine>,
          .run_demo = run_demo<Engine>};
}

}  // namespace llep::tool
