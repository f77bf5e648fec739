// SPDX-License-Identifier: Apache-2.0
#include "demo_facts.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace llep::tool {

plan_picture layer_plan(demo_comparison const& both, std::size_t n) {
  return {both.input->ranks, both.input->owner, both.input->layers[n].load, &both.llep[n].made};
}

std::size_t most_uneven_layer(demo_comparison const& both) {
  auto const found = std::max_element(both.ep.begin(), both.ep.end(),
                                      [](demo_outcome const& a, demo_outcome const& b) {
                                        return max_over_mean(a.rows) < max_over_mean(b.rows);
                                      });
  return static_cast<std::size_t>(found - both.ep.begin());
}

}  // namespace llep::tool
